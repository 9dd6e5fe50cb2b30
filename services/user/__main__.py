"""Starts the user service: `python -m services.user serve` or `… work`."""

from chassis.runtime import ServiceDefinition, ServiceResources, run_service
from chassis.search.gazetteer import shared_gazetteer
from services.user import event_handlers, jobs, profile_mapping
from services.user.adapters import UserAdapters
from services.user.erasures import build_erasures
from services.user.peers import PersonalDataClient
from services.user.repository import UserRepositories
from services.user.service.data_export_use_cases import DataExportUseCases
from services.user.service.document_use_cases import DocumentUseCases
from services.user.service.manage_consents import ManageConsents
from services.user.service.profile_use_cases import ProfileUseCases
from services.user.service.team_use_cases import build_team_use_cases
from services.user.servicers import UserUseCases, build_servicers
from services.user.settings import UserSettings


def build_service(resources: ServiceResources[UserSettings]) -> ServiceDefinition:
    """Build the service definition for both roles."""
    settings, clock, cache = resources.settings, resources.clock, resources.cache
    places, adapters = shared_gazetteer(), UserAdapters.open(settings, cache)
    stored = UserRepositories.open(resources.shards, places, clock)
    rules = profile_mapping.ContractProfileRules()
    people = ProfileUseCases.build(stored, places, rules, cache, clock)
    teams = build_team_use_cases(stored.teams, stored.pages, stored.profiles, adapters.verification, clock)
    documents = DocumentUseCases.build(stored, adapters.documents, people.profiles, clock)
    exports = DataExportUseCases.build(stored, adapters.documents, PersonalDataClient(resources.peers), clock)
    erasing, late = build_erasures(resources, stored, people.companies, documents.scanning, adapters)
    cases = UserUseCases(people, teams, documents, exports, ManageConsents(stored.consents))
    return ServiceDefinition(
        servicers=build_servicers(cases, cache, resources.page_tokens, settings),
        subscriptions=event_handlers.all_subscriptions(people, teams.claims, documents, erasing, late),
        periodic_tasks=jobs.jobs(stored.profiles, documents.scanning, exports.collecting, erasing),
        background_tasks=(people.search.keep_fresh,),
    )


if __name__ == "__main__":
    run_service("user", UserSettings, build_service)

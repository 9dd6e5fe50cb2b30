"""Starts the user service: `python -m services.user serve` or `… work`."""

from chassis.runtime import ServiceDefinition, ServiceResources, run_service
from chassis.search.gazetteer import shared_gazetteer
from services.user.api import UserServicer
from services.user.event_handlers import UserEventHandlers
from services.user.jobs import jobs
from services.user.repository import CompanyRepository, ProfileRepository
from services.user.service.manage_companies import ManageCompanies
from services.user.service.manage_profiles import ManageProfiles
from services.user.service.search_students import SearchStudents
from services.user.settings import UserSettings


def build_service(resources: ServiceResources[UserSettings]) -> ServiceDefinition:
    """Build the service definition for both roles."""
    places, clock, cache = shared_gazetteer(), resources.clock, resources.cache
    repository = ProfileRepository(resources.shards, places)
    profiles, students = ManageProfiles(repository, clock), SearchStudents(repository, places)
    companies = ManageCompanies(CompanyRepository(resources.shards), cache, clock)
    company_cache_s = resources.settings.company_cache_s
    servicer = UserServicer(
        profiles, students, companies, cache, resources.page_tokens, company_cache_s=company_cache_s
    )
    return ServiceDefinition(
        servicers=(servicer,),
        subscriptions=UserEventHandlers(profiles, companies).subscriptions(),
        periodic_tasks=jobs(repository),
        background_tasks=(students.keep_fresh,),
    )


if __name__ == "__main__":
    run_service("user", UserSettings, build_service)

"""Starts the user service: `python -m services.user serve` or `… work`."""

from chassis.roles.periodic_tasks import PeriodicTask
from chassis.runtime import ServiceDefinition, ServiceResources, run_service
from chassis.search.gazetteer import shared_gazetteer
from services.user.api import UserServicer
from services.user.event_handlers import subscription
from services.user.repository import CompanyRepository, ProfileRepository
from services.user.service import ManageCompanies, ManageProfiles, SearchStudents
from services.user.settings import UserSettings

RENEW_INTERVAL_S = 15.0
"""How soon entries are made anew that an older version of the service has stored."""


def build_service(resources: ServiceResources[UserSettings]) -> ServiceDefinition:
    """The room, in either role."""
    places = shared_gazetteer()
    store = ProfileRepository(resources.shards, places)
    profiles, students = ManageProfiles(store, resources.clock), SearchStudents(store, places)
    companies = ManageCompanies(CompanyRepository(resources.shards), resources.cache, resources.clock)
    api = UserServicer(
        profiles,
        students,
        companies,
        resources.cache,
        resources.page_tokens,
        company_cache_s=resources.settings.company_cache_s,
    )
    return ServiceDefinition(
        servicers=(api,),
        subscriptions=(subscription(profiles, companies),),
        periodic_tasks=(PeriodicTask("renew-student-search", RENEW_INTERVAL_S, store.renew),),
        background_tasks=(students.keep_fresh,),
    )


if __name__ == "__main__":
    run_service("user", UserSettings, build_service)

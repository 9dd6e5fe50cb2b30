"""Start-up of the application service: `python -m services.application serve` or `… work`."""

from chassis.roles.periodic_tasks import PeriodicTask
from chassis.runtime import ServiceDefinition, ServiceResources, run_service
from services.application.api import ApplicationServicer
from services.application.event_handlers import ApplicationEventHandlers
from services.application.peers import ListingClient, StudentClient
from services.application.repository import ApplicantRepository, ApplicationRepository
from services.application.service import (
    AcceptOffers,
    ApplicationUpdater,
    ApplicationUpkeep,
    ListApplicants,
    MakeOffers,
    ManageApplications,
)
from services.application.settings import ApplicationSettings


def build_service(resources: ServiceResources[ApplicationSettings]) -> ServiceDefinition:
    """The service on real stores and peers."""
    settings, clock = resources.settings, resources.clock
    listings = ListingClient(resources.peers.channel("internship"))
    students = StudentClient(resources.peers.channel("user"))
    store, applicant_store = ApplicationRepository(resources.shards), ApplicantRepository(resources.shards)
    changes = ApplicationUpdater(store, clock, settings.policy())
    offers = MakeOffers(store, changes, listings)
    applications = ManageApplications(store, changes, listings, students, offers)
    acceptances = AcceptOffers(store, changes, listings)
    applicants = ListApplicants(applicant_store, listings)
    upkeep = ApplicationUpkeep(store, applicant_store, changes, acceptances, offers)
    servicer = ApplicationServicer(applications, acceptances, applicants, resources.page_tokens, clock)
    return ServiceDefinition(
        servicers=(servicer,),
        subscriptions=ApplicationEventHandlers(applicants, acceptances, upkeep).subscriptions(),
        periodic_tasks=(
            PeriodicTask("application-upkeep", settings.upkeep_every_s, upkeep.settle_due),
            PeriodicTask("application-endings", settings.upkeep_every_s, upkeep.go_on_ending),
        ),
    )


if __name__ == "__main__":
    run_service("application", ApplicationSettings, build_service)

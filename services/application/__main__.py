"""Starts the application service: `python -m services.application serve` or `… work`."""

from chassis.runtime import ServiceDefinition, ServiceResources, run_service
from services.application.api import ApplicationServicer
from services.application.event_handlers import ApplicationEventHandlers
from services.application.jobs import jobs
from services.application.peers import ListingClient, StudentClient
from services.application.repository import ApplicantRepository, ApplicationRepository
from services.application.service.use_cases import build_use_cases
from services.application.settings import ApplicationSettings


def build_service(resources: ServiceResources[ApplicationSettings]) -> ServiceDefinition:
    """Build the service definition for both roles."""
    settings, clock = resources.settings, resources.clock
    cases = build_use_cases(
        ApplicationRepository(resources.shards),
        ApplicantRepository(resources.shards),
        listings=ListingClient(resources.peers.channel("internship")),
        students=StudentClient(resources.peers.channel("user")),
        clock=clock,
        policy=settings.policy(),
    )
    handlers = ApplicationEventHandlers(cases.applicants, cases.acceptance, cases.ending)
    return ServiceDefinition(
        servicers=(ApplicationServicer(cases, resources.page_tokens, clock),),
        subscriptions=handlers.subscriptions(),
        periodic_tasks=jobs(cases.settling, cases.ending, settings.upkeep_every_s),
    )


if __name__ == "__main__":
    run_service("application", ApplicationSettings, build_service)

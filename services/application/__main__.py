"""Starts the application service: `python -m services.application serve` or `… work`."""

from chassis.runtime import ServiceDefinition, ServiceResources, run_service
from chassis.sharding.erased_people import ErasedPeople
from services.application import event_handlers, repository
from services.application.api import ApplicationServicer
from services.application.erasures import build_erasures
from services.application.jobs import jobs
from services.application.peers import DocumentClient, ListingClient, StudentClient
from services.application.personal_data_api import build_personal_data_servicer
from services.application.retention_api import RetentionServicer
from services.application.service.use_cases import build_use_cases
from services.application.settings import ApplicationSettings


def build_service(resources: ServiceResources[ApplicationSettings]) -> ServiceDefinition:
    """Build the service definition for both roles."""
    settings, clock, tokens = resources.settings, resources.clock, resources.page_tokens
    tombstones = ErasedPeople(resources.shards)
    cases = build_use_cases(
        *repository.open_repositories(resources.shards),
        listings=ListingClient(resources.peers.channel("internship")),
        students=StudentClient(resources.peers.channel("user")),
        documents=DocumentClient(resources.peers.channel("user")),
        tombstones=tombstones,
        clock=clock,
        policy=settings.policy(),
    )
    applications = repository.ApplicationRepository(resources.shards)
    erasing = build_erasures(resources, applications, tombstones)
    data = build_personal_data_servicer(applications, tokens, clock)
    return ServiceDefinition(
        servicers=(ApplicationServicer(cases, tokens, clock), RetentionServicer(cases.retention), data),
        subscriptions=event_handlers.all_subscriptions(cases, erasing),
        periodic_tasks=jobs(cases, erasing, settings.upkeep_every_s),
    )


if __name__ == "__main__":
    run_service("application", ApplicationSettings, build_service)

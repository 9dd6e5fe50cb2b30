"""Starts the analytics service: `python -m services.analytics serve` or `… work`."""

from chassis.runtime import ServiceDefinition, ServiceResources, run_service
from services.analytics.api import AnalyticsServicer
from services.analytics.event_handlers import AnalyticsEventHandlers
from services.analytics.jobs import jobs
from services.analytics.repository import FigureRepository
from services.analytics.service.read_figures import ReadFigures
from services.analytics.settings import AnalyticsSettings


def build_service(resources: ServiceResources[AnalyticsSettings]) -> ServiceDefinition:
    """Build the service definition for both roles."""
    repository = FigureRepository(resources.shards)
    return ServiceDefinition(
        servicers=(AnalyticsServicer(ReadFigures(repository)),),
        subscriptions=AnalyticsEventHandlers(repository).subscriptions(),
        periodic_tasks=jobs(),
    )


if __name__ == "__main__":
    run_service("analytics", AnalyticsSettings, build_service)

"""Starts the analytics service: `python -m services.analytics serve` or `… work`."""

from chassis.runtime import ServiceDefinition, ServiceResources, run_service
from services.analytics.api import AnalyticsServicer
from services.analytics.event_handlers import AnalyticsEventHandlers
from services.analytics.repository import FigureRepository
from services.analytics.service.read_figures import ReadFigures
from services.analytics.settings import AnalyticsSettings


def build_service(r: ServiceResources[AnalyticsSettings]) -> ServiceDefinition:
    """Wires the service."""
    store = FigureRepository(r.shards)
    return ServiceDefinition(
        servicers=(AnalyticsServicer(ReadFigures(store)),),
        subscriptions=AnalyticsEventHandlers(store).subscriptions(),
    )


if __name__ == "__main__":
    run_service("analytics", AnalyticsSettings, build_service)

"""Starts the analytics service: `python -m services.analytics serve` or `… work`."""

from chassis.runtime import Resources, Room, run
from services.analytics.api import AnalyticsApi
from services.analytics.events import Reactions
from services.analytics.service import Analytics
from services.analytics.settings import Settings
from services.analytics.store import Store


def build(r: Resources[Settings]) -> Room:
    """Wires the service."""
    store = Store(r.shards)
    return Room(
        servicers=(AnalyticsApi(Analytics(store)),),
        subscriptions=Reactions(store).subscriptions(),
    )


if __name__ == "__main__":
    run("analytics", Settings, build)

"""The events of other services that are counted."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

from google.protobuf.message import Message

from chassis.messaging import EventHandler, IncomingEvent, QueueSubscription, WorkQueue
from internshipconnect.events.v1 import events_pb2 as events
from services.analytics.mapping import (
    application_event_from_message,
    deleted_listing_event_from_message,
    listing_event_from_message,
)
from services.analytics.repository import FigureRepository

ANALYTICS_QUEUE: Final = "analytics-processing"


class AnalyticsEventHandlers:
    """One method per event."""

    def __init__(self, repository: FigureRepository) -> None:
        self._repository = repository

    def subscriptions(self) -> tuple[QueueSubscription, ...]:
        """Return the queue of this service, with the handler of each event in it."""
        handlers: dict[type[Message], EventHandler] = {
            kind: partial(handler, self) for kind, handler in _HANDLERS.items()
        }
        return (QueueSubscription(ANALYTICS_QUEUE, handlers),)

    async def internship_created(self, event: events.InternshipCreated, incoming: IncomingEvent) -> None:
        listing = listing_event_from_message(event.internship, incoming.time)
        await self._repository.count_listing(listing, incoming)

    async def internship_state_changed(
        self, event: events.InternshipStateChanged, incoming: IncomingEvent
    ) -> None:
        listing = listing_event_from_message(event.internship, incoming.time)
        await self._repository.count_listing(listing, incoming)

    async def internship_deleted(self, event: events.InternshipDeleted, incoming: IncomingEvent) -> None:
        listing = deleted_listing_event_from_message(event, incoming.time)
        await self._repository.count_listing(listing, incoming)

    async def internship_viewed(self, event: events.InternshipViewed, incoming: IncomingEvent) -> None:
        await self._repository.count_views(
            event.internship_id, event.company_id, event.views, time=incoming.time, handling=incoming
        )

    async def application_submitted(
        self, event: events.ApplicationSubmitted, incoming: IncomingEvent
    ) -> None:
        application = application_event_from_message(event, incoming.time)
        await self._repository.count_application(application, incoming)

    async def application_moved(self, event: events.ApplicationMoved, incoming: IncomingEvent) -> None:
        application = application_event_from_message(event, incoming.time)
        await self._repository.count_application(application, incoming)


AnalyticsEventHandler = Callable[[AnalyticsEventHandlers, Any, IncomingEvent], Awaitable[None]]

_HANDLERS: Final[Mapping[type[Message], AnalyticsEventHandler]] = {
    events.InternshipCreated: AnalyticsEventHandlers.internship_created,
    events.InternshipStateChanged: AnalyticsEventHandlers.internship_state_changed,
    events.InternshipDeleted: AnalyticsEventHandlers.internship_deleted,
    events.InternshipViewed: AnalyticsEventHandlers.internship_viewed,
    events.ApplicationSubmitted: AnalyticsEventHandlers.application_submitted,
    events.ApplicationMoved: AnalyticsEventHandlers.application_moved,
}

QUEUES: Final = (WorkQueue(ANALYTICS_QUEUE, tuple(_HANDLERS)),)
"""The queues of this service."""

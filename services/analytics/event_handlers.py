"""What this service counts."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from google.protobuf.message import Message

from chassis.messaging import EventHandler, IncomingEvent, QueueSubscription, WorkQueue
from internshipconnect.application.v1.application_pb2 import ApplicationState
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.internship.v1.internship_pb2 import Internship, InternshipState
from services.analytics.domain.figures import DELETED_STATE, OFFER_ANSWERS, ApplicationEvent, ListingEvent
from services.analytics.repository import FigureRepository

ANALYTICS_QUEUE: Final = "analytics-processing"


class AnalyticsEventHandlers:
    """One method per event."""

    def __init__(self, store: FigureRepository) -> None:
        self._store = store

    def subscriptions(self) -> tuple[QueueSubscription, ...]:
        """The queue of this service and what happens with the events in it."""
        handlers: dict[type[Message], EventHandler] = {
            kind: partial(reaction, self) for kind, reaction in _HANDLERS.items()
        }
        return (QueueSubscription(ANALYTICS_QUEUE, handlers),)

    async def internship_created(self, event: events.InternshipCreated, incoming: IncomingEvent) -> None:
        await self._store.count_listing(listing_event_from_message(event.internship, incoming.time), incoming)

    async def internship_state_changed(
        self, event: events.InternshipStateChanged, incoming: IncomingEvent
    ) -> None:
        await self._store.count_listing(listing_event_from_message(event.internship, incoming.time), incoming)

    async def internship_deleted(self, event: events.InternshipDeleted, incoming: IncomingEvent) -> None:
        deleted = ListingEvent(
            internship_id=event.internship_id,
            company_id=event.company_id,
            state=DELETED_STATE,
            version=event.version,
            time=incoming.time,
        )
        await self._store.count_listing(deleted, incoming)

    async def internship_viewed(self, event: events.InternshipViewed, incoming: IncomingEvent) -> None:
        await self._store.count_views(
            event.internship_id, event.company_id, event.views, time=incoming.time, handling=incoming
        )

    async def application_submitted(
        self, event: events.ApplicationSubmitted, incoming: IncomingEvent
    ) -> None:
        await self._store.count_application(application_event_from_message(event, incoming.time), incoming)

    async def application_moved(self, event: events.ApplicationMoved, incoming: IncomingEvent) -> None:
        await self._store.count_application(application_event_from_message(event, incoming.time), incoming)


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


def listing_event_from_message(internship: Internship, time: datetime) -> ListingEvent:
    """What an event that happened at `time` tells of a listing."""
    return ListingEvent(
        internship_id=internship.id,
        company_id=internship.company.id,
        state=InternshipState.Name(internship.state).removeprefix("INTERNSHIP_STATE_"),
        version=internship.version,
        time=time,
    )


def application_event_from_message(
    event: events.ApplicationSubmitted | events.ApplicationMoved, time: datetime
) -> ApplicationEvent:
    """What an event that happened at `time` tells of an application."""
    if isinstance(event, events.ApplicationSubmitted):
        return _application_event_from_facts(event.application, time)
    # `from` is a word of Python's, so the field has to be asked for by name.
    offered = getattr(event, "from") == ApplicationState.APPLICATION_STATE_OFFERED
    target = _state_name(event.to)
    return _application_event_from_facts(
        event.application,
        time,
        answered_offer=target if offered and target in OFFER_ANSWERS else "",
        response_s=_response_time_s(event.application) if event.first_response else None,
    )


def _application_event_from_facts(
    facts: events.ApplicationFacts,
    time: datetime,
    *,
    answered_offer: str = "",
    response_s: int | None = None,
) -> ApplicationEvent:
    return ApplicationEvent(
        application_id=facts.application_id,
        internship_id=facts.internship_id,
        company_id=facts.company_id,
        state=_state_name(facts.state),
        version=facts.version,
        time=time,
        answered_offer=answered_offer,
        response_s=response_s,
    )


def _response_time_s(facts: events.ApplicationFacts) -> int:
    taken = facts.update_time.ToDatetime(tzinfo=UTC) - facts.submit_time.ToDatetime(tzinfo=UTC)
    return max(0, round(taken.total_seconds()))


def _state_name(state: ApplicationState.ValueType) -> str:
    return ApplicationState.Name(state).removeprefix("APPLICATION_STATE_")

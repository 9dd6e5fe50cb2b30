"""What this service counts."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from google.protobuf.message import Message

from chassis.messaging import Handler, Incoming, Subscription, WorkQueue
from internshipconnect.application.v1.application_pb2 import ApplicationState
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.internship.v1.internship_pb2 import Internship, InternshipState
from services.analytics.domain import ANSWERS, DELETED, ApplicationEvent, ListingEvent
from services.analytics.store import Store

QUEUE: Final = "analytics-processing"


class Reactions:
    """One method per event."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def subscriptions(self) -> tuple[Subscription, ...]:
        """The queue of this service and what happens with the events in it."""
        handlers: dict[type[Message], Handler] = {
            kind: partial(reaction, self) for kind, reaction in _COUNTED.items()
        }
        return (Subscription(QUEUE, handlers),)

    async def internship_created(self, event: events.InternshipCreated, incoming: Incoming) -> None:
        await self._store.count_listing(listing_event(event.internship, incoming.time), incoming)

    async def internship_state_changed(
        self, event: events.InternshipStateChanged, incoming: Incoming
    ) -> None:
        await self._store.count_listing(listing_event(event.internship, incoming.time), incoming)

    async def internship_deleted(self, event: events.InternshipDeleted, incoming: Incoming) -> None:
        deleted = ListingEvent(
            internship_id=event.internship_id,
            company_id=event.company_id,
            state=DELETED,
            version=event.version,
            time=incoming.time,
        )
        await self._store.count_listing(deleted, incoming)

    async def internship_viewed(self, event: events.InternshipViewed, incoming: Incoming) -> None:
        await self._store.count_views(
            event.internship_id, event.company_id, event.views, time=incoming.time, handling=incoming
        )

    async def application_submitted(self, event: events.ApplicationSubmitted, incoming: Incoming) -> None:
        await self._store.count_application(application_event(event, incoming.time), incoming)

    async def application_moved(self, event: events.ApplicationMoved, incoming: Incoming) -> None:
        await self._store.count_application(application_event(event, incoming.time), incoming)


Reaction = Callable[[Reactions, Any, Incoming], Awaitable[None]]

_COUNTED: Final[Mapping[type[Message], Reaction]] = {
    events.InternshipCreated: Reactions.internship_created,
    events.InternshipStateChanged: Reactions.internship_state_changed,
    events.InternshipDeleted: Reactions.internship_deleted,
    events.InternshipViewed: Reactions.internship_viewed,
    events.ApplicationSubmitted: Reactions.application_submitted,
    events.ApplicationMoved: Reactions.application_moved,
}

QUEUES: Final = (WorkQueue(QUEUE, tuple(_COUNTED)),)
"""The queues of this service."""


def listing_event(internship: Internship, time: datetime) -> ListingEvent:
    """What an event that happened at `time` tells of a listing."""
    return ListingEvent(
        internship_id=internship.id,
        company_id=internship.company.id,
        state=InternshipState.Name(internship.state).removeprefix("INTERNSHIP_STATE_"),
        version=internship.version,
        time=time,
    )


def application_event(
    event: events.ApplicationSubmitted | events.ApplicationMoved, time: datetime
) -> ApplicationEvent:
    """What an event that happened at `time` tells of an application."""
    if isinstance(event, events.ApplicationSubmitted):
        return _application(event.application, time)
    # `from` is a word of Python's, so the field has to be asked for by name.
    offered = getattr(event, "from") == ApplicationState.APPLICATION_STATE_OFFERED
    target = _state(event.to)
    return _application(
        event.application,
        time,
        answered_offer=target if offered and target in ANSWERS else "",
        response_s=_response_s(event.application) if event.first_response else None,
    )


def _application(
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
        state=_state(facts.state),
        version=facts.version,
        time=time,
        answered_offer=answered_offer,
        response_s=response_s,
    )


def _response_s(facts: events.ApplicationFacts) -> int:
    taken = facts.update_time.ToDatetime(tzinfo=UTC) - facts.submit_time.ToDatetime(tzinfo=UTC)
    return max(0, round(taken.total_seconds()))


def _state(state: ApplicationState.ValueType) -> str:
    return ApplicationState.Name(state).removeprefix("APPLICATION_STATE_")

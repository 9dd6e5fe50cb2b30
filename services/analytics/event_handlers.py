"""The events of other services that are counted."""

from collections.abc import Sequence
from typing import Final

from google.protobuf.message import Message

from chassis.messaging import BatchSubscription, ReceivedEvent, WorkQueue
from internshipconnect.events.v1 import events_pb2 as events
from services.analytics.mapping import figure_event_from_message
from services.analytics.repository import FigureRepository

ANALYTICS_QUEUE: Final = "analytics-processing"
_COUNTED_EVENTS: Final[tuple[type[Message], ...]] = (
    events.InternshipCreated,
    events.InternshipStateChanged,
    events.InternshipDeleted,
    events.InternshipViewed,
    events.ApplicationSubmitted,
    events.ApplicationMoved,
)


class AnalyticsEventHandlers:
    """Counts events in batches."""

    def __init__(self, repository: FigureRepository) -> None:
        self._repository = repository

    def subscriptions(self) -> tuple[BatchSubscription, ...]:
        """Return the queue of this service."""
        return (BatchSubscription(ANALYTICS_QUEUE, _COUNTED_EVENTS, self.count_events),)

    async def count_events(self, received: Sequence[ReceivedEvent]) -> None:
        """Count each event once."""
        await self._repository.count_events(
            [
                (figure_event_from_message(each.message, each.incoming.time), each.incoming)
                for each in received
            ]
        )


QUEUES: Final = (WorkQueue(ANALYTICS_QUEUE, _COUNTED_EVENTS),)
"""The queues of this service."""

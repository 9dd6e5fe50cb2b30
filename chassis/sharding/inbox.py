"""The inbox: the events that were handled, so that a repeat has no second effect."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

INBOX_COLLECTION: Final = "inbox"


@dataclass(frozen=True, slots=True)
class IncomingEvent:
    """The attributes of an event on a queue; a handler passes it to `Shard.run_in_transaction`."""

    event_id: str
    type: str
    source: str
    subject: str
    time: datetime
    traceparent: str
    queue: str

    @property
    def inbox_id(self) -> str:
        """The key of the effect of this event on this queue."""
        return f"{self.queue}:{self.event_id}"


@dataclass(frozen=True, slots=True)
class EventInSlot:
    """An event whose effect is in one slot: one event may be handled once in each of several."""

    event: IncomingEvent
    slot: int

    @property
    def row_id(self) -> str:
        """The `_id` of its row in the collection `inbox`."""
        return f"{self.event.inbox_id}:{self.slot}"

    def build_row(self, now: datetime) -> dict[str, Any]:
        """Return the row to insert into `inbox` in the transaction that handles the event."""
        return {"_id": self.row_id, "slot": self.slot, "time": now}

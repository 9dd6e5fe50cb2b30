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


def build_inbox_row(event: IncomingEvent, slot: int, now: datetime) -> dict[str, Any]:
    """Build the row to insert into the collection `inbox` in the transaction that handles the event.

    One event may be handled once in each of several slots.
    """
    return {"_id": f"{event.inbox_id}:{slot}", "slot": slot, "time": now}

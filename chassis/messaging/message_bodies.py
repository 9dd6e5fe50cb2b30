"""The bodies of messages: an event alone, or several of one type."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from google.protobuf.message import DecodeError

from internshipconnect.events.v1.event_batch_pb2 import EventBatch
from internshipconnect.events.v1.events_pb2 import Event

EVENT_CONTENT_TYPE: Final = "application/x-protobuf"
BATCH_CONTENT_TYPE: Final = "application/x-protobuf; message=EventBatch"
MAX_EVENTS_PER_MESSAGE: Final = 32
MAX_BATCH_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class OutgoingEvent:
    """An event to publish: `body` is the serialized envelope, `type` its routing key.

    Events of one slot arrive in their order.
    """

    id: str
    type: str
    body: bytes
    slot: int = 0


@dataclass(slots=True)
class OutgoingMessage:
    """Events of one type that travel together."""

    events: list[OutgoingEvent] = field(default_factory=list)
    size_bytes: int = 0

    @property
    def routing_key(self) -> str:
        """The type of its events."""
        return self.events[0].type

    @property
    def id(self) -> str:
        """The ID of its first event."""
        return self.events[0].id

    @property
    def content_type(self) -> str:
        """What the body is."""
        return EVENT_CONTENT_TYPE if len(self.events) == 1 else BATCH_CONTENT_TYPE

    @property
    def body(self) -> bytes:
        """The bytes to send."""
        if len(self.events) == 1:
            return self.events[0].body
        return EventBatch(events=[event.body for event in self.events]).SerializeToString()

    def has_space_for(self, event: OutgoingEvent) -> bool:
        """Return whether the event may travel with the others."""
        return (
            len(self.events) < MAX_EVENTS_PER_MESSAGE and self.size_bytes + len(event.body) <= MAX_BATCH_BYTES
        )

    def add(self, event: OutgoingEvent) -> None:
        """Add an event of the same type."""
        self.events.append(event)
        self.size_bytes += len(event.body)


def pack_messages(events: Iterable[OutgoingEvent]) -> list[OutgoingMessage]:
    """Return the messages that carry these events; each slot's events are in their order in them."""
    messages: list[OutgoingMessage] = []
    last_of_type: dict[str, int] = {}
    last_of_slot: dict[int, int] = {}
    for event in events:
        # Not before the message that has the slot's last event, which is sent earlier.
        place = last_of_type.get(event.type, -1)
        if place < last_of_slot.get(event.slot, 0) or not messages[place].has_space_for(event):
            place = len(messages)
            messages.append(OutgoingMessage())
        messages[place].add(event)
        last_of_type[event.type] = last_of_slot[event.slot] = place
    return messages


def unpack_bodies(content_type: str, body: bytes) -> Sequence[bytes]:
    """Return the serialized events of a message; any other body stays whole."""
    if content_type != BATCH_CONTENT_TYPE:
        return [body]
    try:
        return list(EventBatch.FromString(body).events) or [body]
    except DecodeError:
        return [body]


def read_event_id(body: bytes) -> str:
    """Return the ID of a serialized event; "" for another body."""
    try:
        return Event.FromString(body).id
    except DecodeError:
        return ""

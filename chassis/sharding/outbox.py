"""The outbox: events that are committed with their change and wait for the relay."""

from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import Message

from chassis.contracts import event_type
from chassis.ids import new_id
from chassis.observability.tracing import current_traceparent
from internshipconnect.events.v1.events_pb2 import Event

OUTBOX_COLLECTION = "outbox"


def build_envelope(
    message: Message, *, subject: str, source: str, time: datetime, slot: int | None = None
) -> Event:
    """Return the CloudEvents envelope of `message`, with the current trace.

    `subject` is the ID of the entity that it is about, `source` the emitting service, `time` aware UTC.
    Raises ContractError when the message is not one of the declared events.
    """
    event = Event(
        id=new_id("evt", slot, at=time),
        source=source,
        spec_version="1.0",
        type=event_type(message),
        subject=subject,
        traceparent=current_traceparent(),
    )
    event.time.FromDatetime(time)
    event.data.Pack(message)
    return event


def build_outbox_row(event: Event, slot: int) -> dict[str, Any]:
    """Return the row to insert into the collection `outbox` in the transaction of the change."""
    return {
        "_id": event.id,
        "slot": slot,
        "type": event.type,
        "time": event.time.ToDatetime(tzinfo=UTC),
        "event": event.SerializeToString(),
    }

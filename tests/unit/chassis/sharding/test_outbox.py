"""The event envelope and the row in which it waits."""

from datetime import UTC, datetime

import pytest

from chassis.contracts import ContractError
from chassis.ids import creation_time_of, is_id, slot_of
from chassis.observability.tracing import continue_trace
from chassis.sharding import outbox
from internshipconnect.events.v1.events_pb2 import ApplicationFacts, Event, UserVerified

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NOW = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)


def made() -> Event:
    with continue_trace(TRACEPARENT, "call"):
        return outbox.build_envelope(
            UserVerified(user_id="u"), subject="usr_1", source="auth", time=NOW, slot=7
        )


def test_the_envelope_has_cloudevents_attributes_and_the_trace() -> None:
    event = made()
    assert (event.type, event.source, event.subject) == ("auth.user.verified", "auth", "usr_1")
    assert event.spec_version == "1.0"
    assert event.time.ToDatetime(tzinfo=UTC) == NOW
    assert event.traceparent == TRACEPARENT
    data = UserVerified()
    assert event.data.Unpack(data)
    assert data.user_id == "u"


def test_an_events_id_sorts_by_its_time_and_lies_in_its_slot() -> None:
    event = made()
    assert is_id("evt", event.id)
    assert creation_time_of(event.id) == NOW
    assert slot_of(event.id) == 7


def test_two_events_of_the_same_message_have_different_ids() -> None:
    assert made().id != made().id


def test_the_row_holds_the_whole_envelope() -> None:
    event = made()
    row = outbox.build_outbox_row(event, 7)
    assert (row["_id"], row["slot"], row["type"], row["time"]) == (event.id, 7, event.type, NOW)
    assert Event.FromString(row["event"]) == event


def test_a_message_that_is_no_event_is_refused() -> None:
    with pytest.raises(ContractError, match="not an event"):
        outbox.build_envelope(ApplicationFacts(), subject="app_1", source="application", time=NOW)

"""What a dead letter says of itself."""

from datetime import UTC, datetime

from chassis.messaging.dead_letters import DeadLetterMessage
from chassis.observability.tracing import continue_trace
from chassis.sharding import outbox
from internshipconnect.events.v1.events_pb2 import Event, UserVerified, VerificationRequested

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NOW = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)


def letter(event: Event | None) -> DeadLetterMessage:
    return DeadLetterMessage("q", "evt_1", attempts=8, error="E: no", first_failed_at=NOW, event=event)


def describe_letter(message: UserVerified | VerificationRequested) -> Event:
    with continue_trace(TRACEPARENT, "call"):
        return outbox.build_envelope(message, subject="usr_1", source="auth", time=NOW, slot=7)


def test_an_event_shows_type_time_trace_and_message() -> None:
    shown = letter(describe_letter(UserVerified(user_id="usr_1")))
    assert (shown.type, shown.time) == ("auth.user.verified", NOW)
    assert shown.trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert shown.payload == {"user_id": "usr_1"}


def test_codes_and_addresses_are_not_shown() -> None:
    payload = letter(
        describe_letter(VerificationRequested(user_id="usr_1", email="a@b.example", code="123456"))
    ).payload
    assert payload is not None
    assert payload["user_id"] == "usr_1"
    assert payload["code"] == payload["email"] == "[redacted]"


def test_what_is_no_event_or_carries_something_else_has_no_payload() -> None:
    wrong = describe_letter(UserVerified(user_id="usr_1"))
    wrong.type = "auth.user.registered"
    unknown = describe_letter(UserVerified(user_id="usr_1"))
    unknown.type = "nobody.knows.this"
    assert [letter(each).payload for each in (None, wrong, unknown)] == [None, None, None]
    assert (letter(None).type, letter(None).time, letter(None).trace_id) == ("", None, "")

"""What a handler's outcome means for the message, and in which circumstances a handler runs."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from chassis.call_context import Principal, current_principal, remaining_s
from chassis.errors import DomainError, unavailable
from chassis.messaging import IncomingEvent, QueueSubscription, consumer
from chassis.messaging.consumer_connection import Ack, DeadLetter, Outcome, Retry
from chassis.observability.tracing import continue_trace, current_traceparent
from chassis.sharding import outbox
from internshipconnect.events.v1.events_pb2 import Event, UserRegistered, UserVerified
from tests.fakes.recording_broker import RecordingBroker
from tests.virtual_time import in_virtual_time

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NOW = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)

Handled = Callable[[UserVerified, IncomingEvent], Awaitable[None]]


def event(message: Any = None) -> Event:
    with continue_trace(TRACEPARENT, "call"):
        return outbox.build_envelope(
            message or UserVerified(user_id="usr_1"), subject="usr_1", source="auth", time=NOW, slot=7
        )


async def verdict(handler: Handled, body: bytes | None = None) -> Outcome:
    async with RecordingBroker(QueueSubscription("q", {UserVerified: handler})) as broker:
        return await broker.deliver(event().SerializeToString() if body is None else body)


async def test_a_handler_gets_the_message_and_its_attributes() -> None:
    seen: list[tuple[UserVerified, IncomingEvent]] = []

    async def handle(message: UserVerified, incoming: IncomingEvent) -> None:
        seen.append((message, incoming))

    assert await verdict(handle) == Ack()
    ((message, incoming),) = seen
    assert message.user_id == "usr_1"
    assert (incoming.type, incoming.source, incoming.subject) == ("auth.user.verified", "auth", "usr_1")
    assert incoming.time == NOW
    assert incoming.inbox_id == f"q:{incoming.event_id}"


async def test_a_handler_runs_as_the_service_within_a_deadline_and_in_the_events_trace() -> None:
    async def handle(_: UserVerified, __: IncomingEvent) -> None:
        assert current_principal() == Principal(id="user", kind="SERVICE")
        assert 29 < (remaining_s() or 0) <= 30
        assert current_traceparent() == TRACEPARENT

    assert await verdict(handle) == Ack()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError("broken"), Retry),
        (unavailable("mongo"), Retry),
        (DomainError("STALE_ETAG", "changed"), Retry),
        (DomainError("INTERNAL", "a peer broke"), Retry),
        (DomainError("INVALID_FIELD", "never"), DeadLetter),
        (DomainError("USER_NOT_FOUND", "nobody"), DeadLetter),
        (DomainError("ILLEGAL_TRANSITION", "no"), DeadLetter),
    ],
)
async def test_an_error_is_retried_when_a_later_attempt_may_succeed(
    error: Exception, expected: type[Outcome]
) -> None:
    async def handle(_: UserVerified, __: IncomingEvent) -> None:
        raise error

    assert isinstance(await verdict(handle), expected)


@in_virtual_time
async def test_a_handler_that_takes_too_long_is_cut_off_and_retried() -> None:

    async def handle(_: UserVerified, __: IncomingEvent) -> None:
        await asyncio.sleep(2 * consumer.HANDLER_TIMEOUT_S)

    assert isinstance(await verdict(handle), Retry)


async def test_an_event_that_nobody_here_handles_any_more_is_done() -> None:
    async def handle(_: UserVerified, __: IncomingEvent) -> None:
        raise AssertionError("not for this handler")

    assert await verdict(handle, event(UserRegistered(user_id="usr_1")).SerializeToString()) == Ack()


async def test_an_event_whose_data_has_another_type_than_declared_is_dead_lettered() -> None:
    wrong = event(UserRegistered(user_id="usr_1"))
    wrong.type = "auth.user.verified"

    async def handle(_: UserVerified, __: IncomingEvent) -> None:
        raise AssertionError("unreadable")

    assert isinstance(await verdict(handle, wrong.SerializeToString()), DeadLetter)


@pytest.mark.parametrize("body", [b"", b"\xff\xff", b'{"id": 1}'])
async def test_a_body_that_is_no_event_is_dead_lettered(body: bytes) -> None:
    async def handle(_: UserVerified, __: IncomingEvent) -> None:
        raise AssertionError("unreadable")

    assert isinstance(await verdict(handle, body), DeadLetter)


@in_virtual_time
async def test_news_of_one_subject_is_handled_in_its_order_while_others_do_not_wait() -> None:
    steps: list[str] = []

    async def handle(message: UserVerified, incoming: IncomingEvent) -> None:
        steps.append(f"{incoming.subject} {message.user_id} begins")
        await asyncio.sleep(0.01)
        steps.append(f"{incoming.subject} {message.user_id} ends")

    def arrives(subject: str, text: str) -> asyncio.Future[Outcome]:
        arrived = event(UserVerified(user_id=text))
        arrived.subject = subject
        return broker.deliver(arrived.SerializeToString())

    async with RecordingBroker(QueueSubscription("q", {UserVerified: handle})) as broker:
        await asyncio.gather(arrives("usr_1", "first"), arrives("usr_1", "second"), arrives("usr_2", "other"))
    assert [step for step in steps if step.startswith("usr_1")] == [
        "usr_1 first begins",
        "usr_1 first ends",
        "usr_1 second begins",
        "usr_1 second ends",
    ]
    assert steps.index("usr_2 other begins") < steps.index("usr_1 first ends")

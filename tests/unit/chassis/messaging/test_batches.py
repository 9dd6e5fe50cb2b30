"""Events that are handled in batches: which ones together, when, and what a failure means for each."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from chassis.errors import DomainError, unavailable
from chassis.messaging import BatchSubscription, ReceivedEvent
from chassis.messaging.consumer import HANDLER_TIMEOUT_S
from chassis.messaging.consumer_connection import Ack, DeadLetter, Retry
from chassis.messaging.subscriptions import BatchPolicy
from chassis.sharding import outbox
from internshipconnect.events.v1.events_pb2 import UserVerified
from tests.fakes.recording_broker import RecordingBroker
from tests.virtual_time import in_virtual_time

NOW = datetime(2026, 1, 2, tzinfo=UTC)
POLICY = BatchPolicy(max_events=4, max_wait_s=0.02)


def body(name: str, subject: str = "") -> bytes:
    event = outbox.build_envelope(
        UserVerified(user_id=name), subject=subject or name, source="auth", time=NOW, slot=7
    )
    return event.SerializeToString()


class BatchLog:
    """A handler that takes a while and logs its batches; it fails those that hold `poison` or `missing`."""

    def __init__(self, duration_s: float = 0.1) -> None:
        self.batches: list[list[str]] = []
        self._duration_s = duration_s

    @property
    def subscription(self) -> BatchSubscription:
        return BatchSubscription("q", (UserVerified,), self.handle, policy=POLICY)

    async def handle(self, events: Sequence[ReceivedEvent]) -> None:
        names = [event.message.user_id for event in events]
        self.batches.append(names)
        await asyncio.sleep(self._duration_s)
        if any(name.startswith("poison") for name in names):
            raise DomainError("INVALID_FIELD", "never")
        if "missing" in names:
            raise unavailable("the shard")


@in_virtual_time
async def test_a_lone_event_is_handled_at_once() -> None:
    log = BatchLog(duration_s=0)
    async with RecordingBroker(log.subscription) as broker:
        began = asyncio.get_running_loop().time()
        assert await broker.deliver(body("a")) == Ack()
        assert asyncio.get_running_loop().time() == began


@in_virtual_time
async def test_events_that_arrive_during_a_batch_form_the_next_one_up_to_its_bound() -> None:
    log = BatchLog()
    async with RecordingBroker(log.subscription) as broker:
        first = broker.deliver(body("a"))
        await asyncio.sleep(0.05)
        others = [broker.deliver(body(name)) for name in "bcdefg"]
        assert await asyncio.gather(first, *others) == [Ack()] * 7
    assert log.batches == [["a"], ["b", "c", "d", "e"], ["f", "g"]]


@in_virtual_time
async def test_after_a_batch_the_next_one_waits_a_moment_for_others() -> None:
    log = BatchLog()
    async with RecordingBroker(log.subscription) as broker:
        broker.deliver(body("a"))
        await asyncio.sleep(0.09)
        broker.deliver(body("b"))
        await asyncio.sleep(0.02)
        last = broker.deliver(body("c"))
        await last
    assert log.batches == [["a"], ["b", "c"]]


@in_virtual_time
async def test_poison_in_the_middle_of_a_batch_fails_alone() -> None:
    log = BatchLog()
    async with RecordingBroker(log.subscription) as broker:
        broker.deliver(body("a"))
        await asyncio.sleep(0.05)
        outcomes = await asyncio.gather(
            *(broker.deliver(body(name)) for name in ("b", "poison", "missing", "c"))
        )
    assert [type(each) for each in outcomes] == [Ack, DeadLetter, Retry, Ack]
    assert log.batches[1] == ["b", "poison", "missing", "c"]
    assert sorted(log.batches[2:]) == [["b"], ["c"], ["missing"], ["poison"]]


@in_virtual_time
async def test_the_events_of_one_subject_keep_their_order_when_each_runs_alone() -> None:
    log = BatchLog()
    async with RecordingBroker(log.subscription) as broker:
        broker.deliver(body("a"))
        await asyncio.sleep(0.05)
        names = ("poison", "one", "two", "three")
        await asyncio.gather(*(broker.deliver(body(name, subject="usr_1")) for name in names))
    assert log.batches[2:] == [[name] for name in names]


@in_virtual_time
async def test_an_unreadable_message_is_no_part_of_a_batch() -> None:
    log = BatchLog()
    async with RecordingBroker(log.subscription) as broker:
        broker.deliver(body("a"))
        await asyncio.sleep(0.05)
        outcomes = await asyncio.gather(*(broker.deliver(raw) for raw in (body("b"), b"\xff\xff", body("c"))))
    assert [type(each) for each in outcomes] == [Ack, DeadLetter, Ack]
    assert log.batches == [["a"], ["b", "c"]]


@in_virtual_time
async def test_a_batch_that_takes_too_long_is_cut_off_and_each_event_tried_alone() -> None:
    log = BatchLog(duration_s=2 * HANDLER_TIMEOUT_S)
    async with RecordingBroker(log.subscription) as broker:
        outcomes = await asyncio.gather(*(broker.deliver(body(name)) for name in "ab"))
    assert [type(each) for each in outcomes] == [Retry, Retry]


@in_virtual_time
async def test_stopping_lets_the_batch_end_and_begins_no_other() -> None:
    log = BatchLog()
    async with RecordingBroker(log.subscription) as broker:
        running = broker.deliver(body("a"))
        await asyncio.sleep(0.05)
        left = broker.deliver(body("b"))
        await asyncio.sleep(0)
    assert running.done() and not left.done()
    assert log.batches == [["a"]]

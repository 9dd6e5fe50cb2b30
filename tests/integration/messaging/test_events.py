"""Events on real servers: from an outbox row to a handler, whatever happens in between."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from kombu import Connection

from chassis.errors import DomainError
from chassis.messaging import EventHandler, IncomingEvent, QueueSubscription
from chassis.messaging.consumer import EventConsumers
from chassis.messaging.message_bodies import EVENT_CONTENT_TYPE, OutgoingEvent
from chassis.messaging.publisher import EventPublisher
from chassis.messaging.relay import RelayPolicy
from chassis.messaging.topology import dead_letter_queue, declare_topology
from chassis.sharding.shards import Shards
from internshipconnect.events.v1.events_pb2 import UserVerified
from tests.integration.messaging.conftest import RelayController, count_outbox_rows, emit, open_shards
from tests.stack import StackHandle
from tests.waiting import WAIT_TIMEOUT_S
from tests.waiting import wait_until as wait_until  # noqa: PLC0414


class RecordingHandler:
    """A handler that records its events and first does what the test asks for."""

    def __init__(self, then: Callable[[IncomingEvent], Awaitable[None]] | None = None) -> None:
        self.users: list[str] = []
        self.times: list[float] = []
        self._then = then

    async def __call__(self, message: UserVerified, incoming: IncomingEvent) -> None:
        self.times.append(asyncio.get_running_loop().time())
        if self._then is not None:
            await self._then(incoming)
        self.users.append(message.user_id)


@asynccontextmanager
async def consuming(
    amqp_url: str, queue: str, handler: EventHandler, *, max_attempts: int = 8
) -> AsyncIterator[EventConsumers]:
    subscription = QueueSubscription(queue, {UserVerified: handler}, max_attempts=max_attempts)
    consumers = EventConsumers(amqp_url, [subscription], name="test")
    consumers.start()
    await wait_until(lambda: consumers.is_connected)
    try:
        yield consumers
    finally:
        await consumers.stop(grace_s=1.0)


async def until_empty(shards: Shards) -> None:
    async with asyncio.timeout(WAIT_TIMEOUT_S):
        while await count_outbox_rows(shards):
            await asyncio.sleep(0.05)


def dead_letters(amqp_url: str, queue: str) -> list[Any]:
    with Connection(amqp_url) as connection:
        channel = connection.channel()
        return list(iter(lambda: channel.basic_get(dead_letter_queue(queue), no_ack=True), None))


async def test_a_row_in_the_outbox_reaches_the_consumer_and_is_removed(
    amqp_url: str, shards: Shards, relaying: RelayController, queue: str
) -> None:
    seen = RecordingHandler()
    async with consuming(amqp_url, queue, seen):
        relaying.start()
        users = await emit(shards, 20)
        await wait_until(lambda: sorted(seen.users) == sorted(users))
        await until_empty(shards)


async def test_rows_that_waited_while_no_relay_ran_are_sent_when_one_starts(
    amqp_url: str, shards: Shards, relaying: RelayController, queue: str
) -> None:
    seen = RecordingHandler()
    async with consuming(amqp_url, queue, seen):
        before = await emit(shards, 5)
        relaying.start()
        await wait_until(lambda: sorted(seen.users) == sorted(before))


async def test_a_restarted_relay_resumes_where_the_first_stopped(
    amqp_url: str, shards: Shards, relaying: RelayController, queue: str
) -> None:
    seen = RecordingHandler()
    async with consuming(amqp_url, queue, seen):
        relaying.start("one")
        first = await emit(shards, 10)
        await wait_until(lambda: len(seen.users) == 10)
        await until_empty(shards)
        await relaying.stop()
        second = await emit(shards, 10)
        relaying.start("two")
        await wait_until(lambda: len(seen.users) == 20)
        await until_empty(shards)
    assert sorted(seen.users) == sorted(first + second)


async def test_rows_that_a_relay_sent_and_did_not_live_to_delete_are_sent_again(
    stack: StackHandle, amqp_url: str, shards: Shards, relaying: RelayController, queue: str
) -> None:
    seen = RecordingHandler()
    own = open_shards(stack, shards.all_shards()[0].db.name)
    dying = RelayController(amqp_url, own)
    async with consuming(amqp_url, queue, seen):
        dying.start("one", RelayPolicy(remove_interval_s=3_600))
        users = await emit(shards, 10)
        await wait_until(lambda: len(seen.users) == 10)
        assert await count_outbox_rows(shards) == 10
        # It can neither delete rows nor store its position any more.
        await own.close()
        await dying.stop()
        relaying.start("two")
        await until_empty(shards)
        await wait_until(lambda: len(seen.users) == 20)
    assert sorted(seen.users) == sorted(users * 2)


async def test_of_two_relays_one_sends_and_the_other_takes_over(
    amqp_url: str, shards: Shards, relaying: RelayController, queue: str
) -> None:
    seen = RecordingHandler()
    rival = RelayController(amqp_url, shards)
    async with consuming(amqp_url, queue, seen):
        relaying.start("one")
        rival.start("two")
        users = await emit(shards, 50)
        await wait_until(lambda: len(seen.users) >= 50)
        await until_empty(shards)
        assert sorted(seen.users) == sorted(users)
        await relaying.stop()
        more = await emit(shards, 10)
        await wait_until(lambda: len(seen.users) >= 60)
        await rival.stop()
    assert sorted(seen.users) == sorted(users + more)


async def test_a_resume_token_that_the_oplog_forgot_is_replaced_by_a_sweep(
    amqp_url: str, shards: Shards, relaying: RelayController, queue: str
) -> None:
    seen = RecordingHandler()
    for shard in shards.all_shards():
        too_old = {"_data": "8200000001000000012B0229296E04"}
        await shard.db["relay_positions"].insert_one({"_id": "outbox", "slot": 0, "token": too_old})
    async with consuming(amqp_url, queue, seen):
        users = await emit(shards, 5)
        relaying.start()
        await wait_until(lambda: sorted(seen.users) == sorted(users))


async def test_events_published_before_the_consumer_first_started_are_not_lost(
    amqp_url: str, shards: Shards, relaying: RelayController, queue: str
) -> None:
    seen = RecordingHandler()
    subscription = QueueSubscription(queue, {UserVerified: seen})
    await asyncio.to_thread(declare_topology, amqp_url, [subscription.work_queue])
    relaying.start()
    users = await emit(shards, 5)
    await until_empty(shards)
    async with consuming(amqp_url, queue, seen):
        await wait_until(lambda: sorted(seen.users) == sorted(users))


async def test_a_failing_handler_is_tried_again_after_growing_delays(
    amqp_url: str, shards: Shards, relaying: RelayController, queue: str
) -> None:
    async def fail_twice(_: IncomingEvent) -> None:
        if len(seen.times) < 3:
            raise RuntimeError("not yet")

    seen = RecordingHandler(fail_twice)
    async with consuming(amqp_url, queue, seen):
        relaying.start()
        users = await emit(shards)
        await wait_until(lambda: seen.users == users)
    first, second = (later - earlier for earlier, later in zip(seen.times, seen.times[1:], strict=False))
    assert first > 0.9
    assert second > 4.5


async def test_a_slow_retry_does_not_hold_up_other_events(
    amqp_url: str, shards: Shards, relaying: RelayController, queue: str
) -> None:
    async def fail_first(_: IncomingEvent) -> None:
        if len(seen.times) == 1:
            raise RuntimeError("not yet")

    seen = RecordingHandler(fail_first)
    async with consuming(amqp_url, queue, seen):
        relaying.start()
        unlucky = await emit(shards)
        await wait_until(lambda: seen.times)
        lucky = await emit(shards, 10)
        await wait_until(lambda: len(seen.users) == 11)
    assert seen.users[-1:] == unlucky
    assert sorted(seen.users[:-1]) == sorted(lucky)


async def test_an_event_that_had_all_its_attempts_lies_in_the_dead_letters_with_its_story(
    amqp_url: str, shards: Shards, relaying: RelayController, queue: str
) -> None:
    async def fail(_: IncomingEvent) -> None:
        raise RuntimeError("never works")

    seen = RecordingHandler(fail)
    async with consuming(amqp_url, queue, seen, max_attempts=2):
        relaying.start()
        await emit(shards)
        await wait_until(lambda: len(seen.times) == 2)
    (dead,) = await asyncio.to_thread(dead_letters, amqp_url, queue)
    assert dead.headers["x-attempts"] == 2
    assert dead.headers["x-error"] == "RuntimeError: never works"
    assert dead.headers["x-original-routing-key"] == "auth.user.verified"
    assert dead.headers["x-queue"] == queue
    assert dead.headers["x-first-failure"]


async def test_an_error_that_no_retry_can_fix_goes_to_the_dead_letters_at_once(
    amqp_url: str, shards: Shards, relaying: RelayController, queue: str
) -> None:
    async def refuse(_: IncomingEvent) -> None:
        raise DomainError("USER_NOT_FOUND", "There is no such user.")

    seen = RecordingHandler(refuse)
    async with consuming(amqp_url, queue, seen):
        relaying.start()
        await emit(shards)
        await wait_until(lambda: seen.times)
    (dead,) = await asyncio.to_thread(dead_letters, amqp_url, queue)
    assert dead.headers["x-attempts"] == 1
    assert dead.headers["x-error"].startswith("USER_NOT_FOUND")


@pytest.mark.parametrize("body", [b"", b"\xff\xff\xff\xff", b'{"json": true}', b"\x0a\x03evt"])
async def test_a_message_that_is_no_event_goes_to_the_dead_letters_at_once(
    amqp_url: str, queue: str, body: bytes
) -> None:
    seen = RecordingHandler()
    async with consuming(amqp_url, queue, seen):
        publisher = EventPublisher(amqp_url)
        await publisher.publish([OutgoingEvent("evt_1", "auth.user.verified", body)])
        await publisher.close()
        await asyncio.sleep(0.5)
    (dead,) = await asyncio.to_thread(dead_letters, amqp_url, queue)
    assert dead.content_type == EVENT_CONTENT_TYPE
    assert not seen.times


async def test_an_event_whose_consumer_died_while_handling_it_is_handed_out_again(
    amqp_url: str, shards: Shards, relaying: RelayController, queue: str
) -> None:
    async def hang(_: IncomingEvent) -> None:
        await asyncio.sleep(60)

    stuck, seen = RecordingHandler(hang), RecordingHandler()
    async with consuming(amqp_url, queue, stuck):
        relaying.start()
        users = await emit(shards, 3)
        await wait_until(lambda: len(stuck.times) == 3)
    assert not stuck.users
    async with consuming(amqp_url, queue, seen):
        await wait_until(lambda: sorted(seen.users) == sorted(users))


async def test_stopping_waits_for_the_handlers_in_flight(
    amqp_url: str, shards: Shards, relaying: RelayController, queue: str
) -> None:
    async def take_a_while(_: IncomingEvent) -> None:
        await asyncio.sleep(0.5)

    slow, seen = RecordingHandler(take_a_while), RecordingHandler()
    async with consuming(amqp_url, queue, slow):
        relaying.start()
        users = await emit(shards, 3)
        await wait_until(lambda: len(slow.times) == 3)
    assert sorted(slow.users) == sorted(users)
    async with consuming(amqp_url, queue, seen):
        [later] = await emit(shards, 1)
        await wait_until(lambda: seen.users)
    assert seen.users == [later]


async def test_a_relay_ends_when_cancelled_even_if_its_database_is_gone(
    stack: StackHandle, amqp_url: str, shards: Shards
) -> None:
    own = open_shards(stack, shards.all_shards()[0].db.name)
    relaying = RelayController(amqp_url, own)
    relaying.start()
    await asyncio.sleep(1.0)
    await own.close()
    async with asyncio.timeout(WAIT_TIMEOUT_S):
        await relaying.stop()

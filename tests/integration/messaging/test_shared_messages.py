"""Events that travel in one message: each has its own outcome, and none is lost with another."""

import asyncio
from datetime import UTC, datetime

from kombu import Connection

from chassis.errors import DomainError, unavailable
from chassis.ids import new_id, slot_of
from chassis.messaging import IncomingEvent
from chassis.messaging.consumer_connection import DELIVERIES_BEFORE_SPLIT
from chassis.messaging.message_bodies import BATCH_CONTENT_TYPE, EVENT_CONTENT_TYPE, OutgoingEvent
from chassis.messaging.publisher import EventPublisher
from chassis.messaging.subscriptions import WorkQueue
from chassis.messaging.topology import MAX_REDELIVERIES, declare_topology
from chassis.sharding import outbox
from internshipconnect.events.v1.events_pb2 import Event, UserVerified
from tests.integration.messaging.test_events import RecordingHandler, consuming, dead_letters
from tests.waiting import wait_until

COUNT = 10


def an_event(user: str) -> OutgoingEvent:
    slot = slot_of(user)
    event = outbox.build_envelope(
        UserVerified(user_id=user), subject=user, source="auth", time=datetime.now(UTC), slot=slot
    )
    return OutgoingEvent(event.id, event.type, event.SerializeToString(), slot)


async def publish(amqp_url: str, *events: OutgoingEvent) -> None:
    publisher = EventPublisher(amqp_url)
    await publisher.publish(events)
    await publisher.close()


async def declare(amqp_url: str, queue: str) -> None:
    await asyncio.to_thread(declare_topology, amqp_url, [WorkQueue(queue, (UserVerified,))])


def new_users(count: int = COUNT) -> list[str]:
    return [new_id("usr", slot) for slot in range(1, count + 1)]


def take_unsettled(amqp_url: str, queue: str, times: int) -> None:
    """Take the message and go away without an outcome, this many times."""
    for _ in range(times):
        with Connection(amqp_url) as connection:
            message = connection.channel().basic_get(queue)
            while message is None:
                message = connection.channel().basic_get(queue)
            assert message.content_type == BATCH_CONTENT_TYPE


async def test_events_of_one_type_travel_in_one_message_and_each_is_handled(
    amqp_url: str, queue: str
) -> None:
    await declare(amqp_url, queue)
    users, seen = new_users(), RecordingHandler()
    await publish(amqp_url, *map(an_event, users))
    with Connection(amqp_url) as connection:
        assert connection.channel().queue_declare(queue, passive=True).message_count == 1
    async with consuming(amqp_url, queue, seen):
        await wait_until(lambda: sorted(seen.users) == sorted(users))
    assert not await asyncio.to_thread(dead_letters, amqp_url, queue)


async def test_one_that_fails_comes_again_alone_and_one_that_cannot_succeed_is_a_dead_letter(
    amqp_url: str, queue: str
) -> None:
    users = new_users()
    late, hopeless = users[3], users[5]
    failed: list[str] = []

    async def fail_some(incoming: IncomingEvent) -> None:
        if incoming.subject == hopeless:
            raise DomainError("USER_NOT_FOUND", "There is no such user.")
        if incoming.subject == late and not failed:
            failed.append(late)
            raise unavailable("Something")

    seen = RecordingHandler(fail_some)
    async with consuming(amqp_url, queue, seen):
        await publish(amqp_url, *map(an_event, users))
        expected = sorted(set(users) - {hopeless})
        await wait_until(lambda: sorted(seen.users) == expected)
    assert len(seen.times) == COUNT + 1
    (dead,) = await asyncio.to_thread(dead_letters, amqp_url, queue)
    letter = Event.FromString(dead.body)
    assert (letter.subject, dead.properties["message_id"]) == (hopeless, letter.id)
    assert (dead.content_type, dead.headers["x-attempts"]) == (EVENT_CONTENT_TYPE, 1)


async def test_one_that_cannot_be_read_spoils_no_other(amqp_url: str, queue: str) -> None:
    users, seen = new_users(), RecordingHandler()
    events = [*map(an_event, users)]
    events.insert(4, OutgoingEvent("evt_1", events[0].type, b"\xff\xff", 999))
    async with consuming(amqp_url, queue, seen):
        await publish(amqp_url, *events)
        await wait_until(lambda: sorted(seen.users) == sorted(users))
    (dead,) = await asyncio.to_thread(dead_letters, amqp_url, queue)
    assert (bytes(dead.body), dead.content_type) == (b"\xff\xff", EVENT_CONTENT_TYPE)


async def test_a_message_whose_consumers_die_is_taken_apart_before_the_broker_gives_it_up(
    amqp_url: str, queue: str
) -> None:
    assert DELIVERIES_BEFORE_SPLIT < MAX_REDELIVERIES
    await declare(amqp_url, queue)
    users, seen = new_users(), RecordingHandler()
    await publish(amqp_url, *map(an_event, users))
    await asyncio.to_thread(take_unsettled, amqp_url, queue, DELIVERIES_BEFORE_SPLIT)
    async with consuming(amqp_url, queue, seen):
        await wait_until(lambda: sorted(seen.users) == sorted(users))
    assert not await asyncio.to_thread(dead_letters, amqp_url, queue)

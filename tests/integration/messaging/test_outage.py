"""A broker that goes away and comes back. Stops the stack's own broker for some seconds."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from chassis.messaging.message_bodies import OutgoingEvent
from chassis.messaging.publisher import BrokerBlockedError, BrokerNotProvisionedError, EventPublisher
from chassis.messaging.topology import declare_topology
from chassis.sharding.shards import Shards
from devstack.stack import Stack
from tests.integration.messaging.conftest import RelayController, connections, count_outbox_rows, emit
from tests.integration.messaging.test_events import RecordingHandler, consuming, until_empty, wait_until
from tests.integration.scratch_broker import scratch_vhost
from tests.stack import StackHandle
from tests.waiting import WAIT_TIMEOUT_S
from verify.chaos import full_disk

OUTAGE_S = 5.0


@pytest.fixture
async def broker(stack: StackHandle) -> AsyncIterator[StackHandle]:
    yield stack
    if not stack.state("rabbit").is_running:
        stack.start("rabbit")
    await asyncio.to_thread(stack.await_ready, "rabbit")


async def test_a_broker_that_is_down_for_some_seconds_loses_nothing(
    broker: StackHandle, amqp_url: str, shards: Shards, relaying: RelayController, queue: str
) -> None:
    seen = RecordingHandler()
    async with consuming(amqp_url, queue, seen) as consumers:
        relaying.start()
        users = await emit(shards, 50)
        await asyncio.to_thread(broker.stop, "rabbit")
        await wait_until(lambda: not consumers.is_connected)
        users += await emit(shards, 50)
        await asyncio.sleep(OUTAGE_S)
        assert await count_outbox_rows(shards) >= 50
        broker.start("rabbit")
        users += await emit(shards, 50)
        await wait_until(lambda: set(seen.users) >= set(users), within_s=60)
        await until_empty(shards)
    assert set(seen.users) == set(users)


async def test_a_ping_says_that_the_broker_is_away_and_recovers_with_it(
    broker: StackHandle, amqp_url: str
) -> None:
    publisher = EventPublisher(amqp_url)
    async with asyncio.timeout(60):
        while not await _answers(publisher):
            await asyncio.sleep(0.2)
    await asyncio.to_thread(broker.stop, "rabbit")
    assert not await _answers(publisher)
    broker.start("rabbit")
    async with asyncio.timeout(60):
        while not await _answers(publisher):
            await asyncio.sleep(0.2)
    await publisher.close()


async def test_events_wait_for_a_broker_until_all_queues_are_declared_on_it(stack: StackHandle) -> None:
    event = OutgoingEvent("evt", "test.nobody.listens", b"")
    with scratch_vhost(stack) as new_broker:
        publisher = EventPublisher(new_broker, needs_provisioning=True)
        with pytest.raises(BrokerNotProvisionedError, match="ic provision"):
            await publisher.publish([event])

        await asyncio.to_thread(declare_topology, new_broker, [])

        await publisher.publish([event])
        await publisher.ping()
        await publisher.close()


async def test_a_broker_that_is_short_of_memory_or_disk_is_waited_for_on_one_connection(
    stack: StackHandle, amqp_url: str
) -> None:
    publisher = EventPublisher(amqp_url, timeout_s=1.0)
    event = OutgoingEvent("evt", "test.nobody.listens", b"")
    await publisher.publish([event])
    running = Stack.assemble(stack.topology)

    filling = asyncio.create_task(asyncio.to_thread(full_disk.fill_disk, running, "rabbit", 4.0))
    try:
        async with asyncio.timeout(WAIT_TIMEOUT_S):
            while not await _is_blocked(publisher, event):
                await asyncio.sleep(0.2)
        assert await _is_blocked(publisher, event)
        with pytest.raises(BrokerBlockedError, match="short of disk or memory"):
            await publisher.ping()
        assert await asyncio.to_thread(connections, stack, amqp_url) == 1
    finally:
        await filling
    async with asyncio.timeout(WAIT_TIMEOUT_S):
        while await _is_blocked(publisher, event):
            await asyncio.sleep(0.2)
    await publisher.close()


async def _is_blocked(publisher: EventPublisher, event: OutgoingEvent) -> bool:
    try:
        await publisher.publish([event])
    except BrokerBlockedError:
        return True
    return False


async def _answers(publisher: EventPublisher) -> bool:
    try:
        await publisher.ping()
    except OSError:
        return False
    return True

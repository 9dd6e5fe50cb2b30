"""A broker that goes away and comes back. Stops the stack's own broker for some seconds."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from chassis.messaging.publisher import Publisher
from chassis.mongo.shards import Shards
from tests.integration.messaging.conftest import Relaying, emit, rows_left
from tests.integration.messaging.test_events import Seen, consuming, until, until_empty
from tests.stack import Stack

OUTAGE_S = 5.0


@pytest.fixture
async def broker(stack: Stack) -> AsyncIterator[Stack]:
    yield stack
    if not stack.state("rabbit").running:
        stack.start("rabbit")
    await asyncio.to_thread(stack.await_ready, "rabbit")


async def test_a_broker_that_is_down_for_some_seconds_loses_nothing(
    broker: Stack, amqp_url: str, shards: Shards, relaying: Relaying, queue: str
) -> None:
    seen = Seen()
    async with consuming(amqp_url, queue, seen) as consumers:
        relaying.start()
        users = await emit(shards, 50)
        await asyncio.to_thread(broker.stop, "rabbit")
        await until(lambda: not consumers.connected)
        users += await emit(shards, 50)
        await asyncio.sleep(OUTAGE_S)
        assert await rows_left(shards) >= 50
        broker.start("rabbit")
        users += await emit(shards, 50)
        await until(lambda: set(seen.users) >= set(users), within_s=60)
        await until_empty(shards)
    assert set(seen.users) == set(users)


async def test_a_ping_says_that_the_broker_is_away_and_recovers_with_it(broker: Stack, amqp_url: str) -> None:
    publisher = Publisher(amqp_url)
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


async def _answers(publisher: Publisher) -> bool:
    try:
        await publisher.ping()
    except OSError:
        return False
    return True

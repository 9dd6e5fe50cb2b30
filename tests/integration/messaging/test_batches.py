"""Batches on real servers: each event has its effect once, whatever is lost after the commit."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from chassis.errors import DomainError
from chassis.ids import slot_of
from chassis.messaging import BatchSubscription, ReceivedEvent
from chassis.messaging.consumer import EventConsumers
from chassis.messaging.consumer_connection import ConsumerConnection
from chassis.messaging.topology import dead_letter_queue
from chassis.sharding.inbox import EventInSlot
from chassis.sharding.shard import Shard
from chassis.sharding.shards import Shards
from chassis.sharding.transactions import Transaction
from internshipconnect.events.v1.events_pb2 import UserVerified
from tests.integration.messaging.conftest import RelayController, emit
from tests.integration.messaging.test_events import dead_letters
from tests.waiting import wait_until


class EffectCounter:
    """Counts the effects of each event in MongoDB, a batch of one shard in one transaction."""

    def __init__(self, shards: Shards, poison: str = "") -> None:
        self._shards = shards
        self._poison = poison
        self._collection = f"effects_{secrets.token_hex(4)}"
        self.batch_sizes: list[int] = []

    async def handle(self, events: Sequence[ReceivedEvent]) -> None:
        self.batch_sizes.append(len(events))
        by_shard: dict[Shard, list[ReceivedEvent]] = {}
        for event in events:
            by_shard.setdefault(self._shards.shard_for(event.incoming.subject), []).append(event)
        for shard, own in by_shard.items():
            in_slot = [EventInSlot(each.incoming, slot_of(each.incoming.subject)) for each in own]
            await shard.run_batch_in_transaction(in_slot, self._count)
        if any(event.message.user_id == self._poison for event in events):
            raise DomainError("INVALID_FIELD", "never")

    async def _count(self, tx: Transaction, events: Sequence[EventInSlot]) -> None:
        for each in events:
            subject = each.event.subject
            await tx.db[self._collection].update_one(
                {"_id": subject},
                {"$inc": {"count": 1}, "$setOnInsert": {"slot": slot_of(subject)}},
                upsert=True,
            )

    async def counts(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for shard in self._shards.all_shards():
            async for row in shard.db[self._collection].find():
                found[row["_id"]] += row["count"]
        return found


@asynccontextmanager
async def consuming_batches(
    amqp_url: str, queue: str, effects: EffectCounter
) -> AsyncIterator[EventConsumers]:
    subscription = BatchSubscription(queue, (UserVerified,), effects.handle)
    consumers = EventConsumers(amqp_url, [subscription], name="test")
    consumers.start()
    await wait_until(lambda: consumers.is_connected)
    try:
        yield consumers
    finally:
        await consumers.stop(grace_s=1.0)


async def test_many_events_are_handled_in_few_batches_each_once(
    amqp_url: str, shards: Shards, relaying: RelayController, queue: str
) -> None:
    effects = EffectCounter(shards)
    async with consuming_batches(amqp_url, queue, effects):
        relaying.start()
        users = await emit(shards, 300)

        async def all_counted() -> bool:
            return len(await effects.counts()) == len(users)

        await wait_until(all_counted)
    assert await effects.counts() == Counter(users)
    assert len(effects.batch_sizes) < 150


async def test_what_a_process_committed_and_did_not_acknowledge_has_its_effect_once(
    amqp_url: str,
    shards: Shards,
    relaying: RelayController,
    queue: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first process dies before it acknowledges; the second gets all of it again, in other batches."""
    effects = EffectCounter(shards)
    with monkeypatch.context() as dying:
        dying.setattr(ConsumerConnection, "settle", lambda *_: None)
        async with consuming_batches(amqp_url, queue, effects):
            relaying.start()
            users = await emit(shards, 40)

            async def all_committed() -> bool:
                return len(await effects.counts()) == len(users)

            await wait_until(all_committed)
    handled_before = sum(effects.batch_sizes)
    async with consuming_batches(amqp_url, queue, effects):
        more = await emit(shards, 10)

        async def all_again() -> bool:
            return sum(effects.batch_sizes) >= handled_before + len(users) + len(more)

        await wait_until(all_again)
    assert await effects.counts() == Counter(users + more)


async def test_poison_in_a_batch_is_moved_away_and_the_others_have_their_effect_once(
    amqp_url: str, shards: Shards, relaying: RelayController, queue: str
) -> None:
    users = await emit(shards, 30)
    effects = EffectCounter(shards, poison=users[15])
    async with consuming_batches(amqp_url, queue, effects):
        relaying.start()
        moved: list[object] = []

        async def is_moved() -> bool:
            moved.extend(await asyncio.to_thread(dead_letters, amqp_url, queue))
            return bool(moved) and len(await effects.counts()) == len(users)

        await wait_until(is_moved)
    assert len(moved) == 1, dead_letter_queue(queue)
    assert await effects.counts() == Counter(users)

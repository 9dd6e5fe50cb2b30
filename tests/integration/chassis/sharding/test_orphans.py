"""Two shards that both hold documents of the slots that move: questions to all see each document once."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from pymongo import AsyncMongoClient, IndexModel
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from chassis.ids import SLOT_COUNT, new_id, slot_of
from chassis.mongo.provision import CollectionSpec
from chassis.sharding import rebalance
from chassis.sharding.chassis_collections import provision_collections
from chassis.sharding.collections import ShardCollection
from chassis.sharding.reconciler import find_existing_ids, iterate_pages
from chassis.sharding.shard import Shard
from chassis.sharding.shards import Shards
from chassis.sharding.slot_map import SlotMap, SlotMove, SlotRange
from chassis.sharding.transactions import Transaction
from devstack import mongo
from tests.stack import StackHandle

THINGS = CollectionSpec(
    "things",
    indexes=(
        IndexModel([("text", "text")], name="words"),
        IndexModel([("kind", 1)], name="big_ones", partialFilterExpression={"big": True}),
        IndexModel([("kind", 1), ("slot", 1)], name="kind"),
    ),
)
MOVING = SlotRange(100, 199)
SLOTS_OF_THINGS = (99, 100, 150, 199, 200, SLOT_COUNT - 1)
QUERY_COMMANDS = ("find", "aggregate", "count", "distinct")


class ShardQueryRecorder(CommandListener):
    """The queries that were sent."""

    def __init__(self) -> None:
        self.queries: list[str] = []

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name in QUERY_COMMANDS:
            self.queries.append(repr(event.command))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Do nothing."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Do nothing."""


@dataclass
class OrphanHarness:
    """Six things, three of them in slots that move from the first shard to the second."""

    shards: Shards
    clients: dict[str, AsyncMongoClient[dict[str, Any]]]
    database: str
    commands: ShardQueryRecorder
    ids: list[str]

    @property
    def first(self) -> SlotMap:
        return rebalance.with_owner(self.shards.slot_map, range(SLOT_COUNT), "s1")

    def go_by(self, slot_map: SlotMap) -> None:
        self.shards.apply_slot_map(slot_map, dict.fromkeys(slot_map.uris, slot_map))

    async def copy(self) -> None:
        """Copy moving documents as a migration does, without the services' guards."""
        things = self.clients["s1"][self.database]["things"]
        moving = await things.find({"slot": {"$gte": MOVING.first, "$lte": MOVING.last}}).to_list()
        await self.clients["s2"][self.database]["things"].insert_many(moving)

    async def of_all(self, ask: "Callable[[ShardCollection], Awaitable[Iterable[Any]]]") -> list[Any]:
        """Return what all shards answer, sorted."""

        async def on_shard(shard: Shard) -> Iterable[Any]:
            return await ask(shard.db["things"])

        scatter = await self.shards.scatter(on_shard, timeout_s=5)
        assert not scatter.missing_shards
        return sorted(each for answer in scatter.results for each in answer)


@pytest.fixture
async def world(stack: StackHandle) -> AsyncIterator[OrphanHarness]:
    clients: dict[str, AsyncMongoClient[dict[str, Any]]] = {
        name: AsyncMongoClient(uri) for name, uri in stack.admin_uris().items()
    }
    database, commands = f"ic_test_{secrets.token_hex(4)}", ShardQueryRecorder()
    for client in clients.values():
        await provision_collections(client, database, (THINGS,))
    shards = Shards(
        SlotMap.load(stack.topology.slot_map_file),
        database,
        mongo.ADMIN_USER,
        stack.credentials.mongo_admin_password,
        listeners=(commands,),
    )
    ids = sorted(new_id("thg", slot) for slot in SLOTS_OF_THINGS)
    world = OrphanHarness(shards, clients, database, commands, ids)
    world.go_by(world.first)
    for slot, id_ in zip(SLOTS_OF_THINGS, sorted(ids, key=slot_of), strict=True):
        thing = {"_id": id_, "slot": slot, "kind": f"kind {slot % 2}", "text": "a thing", "big": slot != 150}
        await shards.shard_for(id_).db["things"].insert_one(thing)
    yield world
    await shards.close()
    for client in clients.values():
        await client.drop_database(database)
        await client.close()


async def moves(world: OrphanHarness) -> AsyncIterator[str]:
    """Yield at every step of a move that readers can observe."""
    yield "before"
    copying = rebalance.with_moves(world.first, [SlotMove(MOVING, "s1", "s2")])
    world.go_by(copying)
    yield "nothing copied yet"
    await world.copy()
    yield "copied"
    fenced = rebalance.with_fence(copying, MOVING.slots)
    world.go_by(fenced)
    yield "fenced"
    moved = rebalance.with_owner(fenced, MOVING.slots, "s2")
    world.go_by(moved)
    yield "moved"
    left_behind = {"slot": {"$gte": MOVING.first, "$lte": MOVING.last}}
    await world.clients["s1"][world.database]["things"].delete_many(left_behind)
    world.go_by(rebalance.with_moves(moved, []))
    yield "cleared"


async def found(things: ShardCollection, query: Any = None, **options: Any) -> list[str]:
    return [thing["_id"] for thing in await things.find(query, **options).to_list()]


async def found_by(things: ShardCollection, **options: Any) -> list[str]:
    return [thing["_id"] async for thing in things.find(**options)]


async def of_pipeline(things: ShardCollection, *stages: Any, **options: Any) -> list[str]:
    return [row["_id"] async for row in await things.aggregate(list(stages), **options)]


ALL_IDS: dict[str, Callable[[ShardCollection], Awaitable[list[str]]]] = {
    "find": found,
    "find with a query": lambda things: found(things, {"text": "a thing", "$nor": [{"kind": "none"}]}),
    "find in batches": lambda things: found(things, batch_size=2),
    "find by keyword": lambda things: found_by(things, filter={"text": "a thing"}),
    "find text": lambda things: found(things, {"$text": {"$search": "thing"}}),
    "find nearby": lambda things: found(things._shard_database.secondary_reads["things"]),
    "find with options": lambda things: found(things.with_options()),
    "find sorted": lambda things: found(things, {}, sort=[("_id", -1)], hint="_id_"),
    "distinct": lambda things: things.distinct("_id"),
    "distinct with a query": lambda things: things.distinct("_id", {"text": "a thing"}),
    "aggregate": lambda things: of_pipeline(things, {"$project": {"_id": 1}}),
    "aggregate nothing": of_pipeline,
    "aggregate a match": lambda things: of_pipeline(things, {"$match": {"text": "a thing"}}, hint="_id_"),
    "aggregate text": lambda things: of_pipeline(things, {"$match": {"$text": {"$search": "thing"}}}),
    "aggregate facets": lambda things: of_pipeline(
        things,
        {"$facet": {"all": [{"$project": {"_id": 1}}]}},
        {"$unwind": "$all"},
        {"$replaceWith": "$all"},
    ),
}


async def test_a_scatter_sees_each_document_once_at_every_step_of_a_move(world: OrphanHarness) -> None:
    async for step in moves(world):
        for way, ask in ALL_IDS.items():
            assert await world.of_all(ask) == world.ids, (step, way)


async def test_what_is_counted_is_counted_once_at_every_step_of_a_move(world: OrphanHarness) -> None:
    async def counted(things: ShardCollection) -> list[int]:
        return [
            await things.count_documents({}),
            await things.count_documents({"kind": "kind 1"}, hint="kind"),
            await things.count_documents({"big": True}, hint="big_ones"),
            await things.estimated_document_count(),
        ]

    async for step in moves(world):
        answers = (await world.shards.scatter(lambda shard: counted(shard.db["things"]), timeout_s=5)).results
        assert [sum(parts) for parts in zip(*answers, strict=True)] == [6, 3, 5, 6], step


async def test_a_transaction_sees_no_orphans_either(world: OrphanHarness) -> None:
    async def work(tx: Transaction) -> list[str]:
        assert await tx.db["things"].count_documents({}) == len(await found(tx.db["things"]))
        return await found(tx.db["things"])

    async for step in moves(world):
        seen = [
            id_ for shard in world.shards.all_shards() for id_ in await shard.run_in_transaction(work) or ()
        ]
        assert sorted(seen) == world.ids, step


async def test_by_its_id_each_document_is_found_at_every_step_of_a_move(world: OrphanHarness) -> None:
    async for step in moves(world):
        for id_ in world.ids:
            assert await world.shards.shard_for(id_).db["things"].find_one({"_id": id_}), (step, id_)
        assert await find_existing_ids(world.shards, "things", world.ids) == {*world.ids}


async def test_a_question_that_began_before_the_switch_ends_as_it_began(world: OrphanHarness) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(things: ShardCollection) -> list[str]:
        if things.database.client is world.shards.pool_of("s2").client:
            begun.set()
            await go_on.wait()
            return await found(things)
        ids = []
        async for page in iterate_pages(things, size=1):
            ids += [each["_id"] for each in page]
            begun.set()
            await go_on.wait()
        return ids

    async for step in moves(world):
        if step == "fenced":
            asking = asyncio.create_task(world.of_all(slowly))
            await begun.wait()
        if step == "moved":
            go_on.set()
            assert await asking == world.ids


async def test_when_nothing_moves_nothing_is_added_to_what_is_asked(world: OrphanHarness) -> None:
    copying = rebalance.with_moves(world.first, [SlotMove(MOVING, "s1", "s2")])
    for slot_map, wanted in ((world.first, False), (copying, True), (world.first, False)):
        world.go_by(slot_map)
        world.commands.queries.clear()
        await asyncio.gather(*(world.of_all(ask) for ask in ALL_IDS.values()))
        assert len(world.commands.queries) >= len(ALL_IDS)
        assert any("$nor': [{'slot'" in query for query in world.commands.queries) is wanted

"""Search, its counts and its words while a quarter of all listings moves to another shard."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio.cluster import RedisCluster

from chassis.cache import Cache
from chassis.errors import DomainError
from chassis.search.gazetteer import shared_gazetteer
from chassis.sharding import rebalance
from chassis.sharding.shards import Shards
from chassis.sharding.slot_map import SlotMap, SlotMove, SlotRange
from internshipconnect.internship.v1 import internship_pb2 as pb
from services.internship.mapping.search import search_request_from_message
from services.internship.repository import COLLECTIONS, listings, search_collection
from services.internship.search.requests import PageCursor, SearchPage, SearchRequest
from services.internship.service import expire_listings
from tests.databases import own_databases
from tests.integration.internship.harness import NOW, InternshipHarness
from tests.integration.internship.test_search import MARKET, QUERIES
from tests.stack import StackHandle
from tests.waiting import WAIT_TIMEOUT_S

MOVING = SlotRange(2_000, 6_000)
THEIRS = {"slot": {"$gte": MOVING.first, "$lte": MOVING.last}}


@pytest.fixture
async def shards() -> AsyncIterator[Shards]:
    async with own_databases(StackHandle.under_test(), "internship", COLLECTIONS) as shards:
        yield shards


@pytest.fixture
def world(shards: Shards, cache: Cache, redis: RedisCluster) -> InternshipHarness:
    return InternshipHarness(shards, cache, redis)


def go_by(shards: Shards, slot_map: SlotMap) -> None:
    shards.apply_slot_map(slot_map, dict.fromkeys(slot_map.uris, slot_map))


async def copy(shards: Shards, collection: str) -> None:
    """Copy as a migration does, without the owners' guards."""
    source, target = shards.all_shards()
    moving = await source.unscoped[collection].find(THEIRS).to_list()
    assert moving
    await target.unscoped[collection].insert_many(moving)


def begun(shards: Shards) -> SlotMap:
    return rebalance.with_moves(shards.slot_map, [SlotMove(MOVING, "s1", "s2")])


def switched(shards: Shards) -> SlotMap:
    return rebalance.with_owner(shards.slot_map, MOVING.slots, "s2")


async def moves(shards: Shards, collection: str) -> AsyncIterator[str]:
    """Yield at every step of a move that readers can observe."""
    yield "before"
    go_by(shards, begun(shards))
    await copy(shards, collection)
    yield "copied"
    go_by(shards, switched(shards))
    yield "switched"
    await shards.all_shards()[0].unscoped[collection].delete_many(THEIRS)
    go_by(shards, rebalance.with_moves(shards.slot_map, []))
    yield "cleared"


async def answered(world: InternshipHarness) -> list[Any]:
    """Return the answers to queries of all kinds, and their counts."""
    found = []
    for query in QUERIES[::3]:
        wanted = search_request_from_message(
            pb.ListInternshipsRequest(**query, with_facets=True, page_size=50), shared_gazetteer()
        )
        page = await patiently(world, wanted)
        found.append(([hit.hit for hit in page.hits], page.facets))
    return found


async def patiently(world: InternshipHarness, wanted: SearchRequest) -> SearchPage:
    """Return the answer, asked for again while a shard of a busy machine does not answer in time."""
    while True:
        try:
            return await world.use_cases.search.search(wanted, PageCursor())
        except DomainError as refusal:
            if refusal.reason != "UNAVAILABLE":
                raise
            await asyncio.sleep(0.5)


async def test_search_finds_and_counts_the_same_at_every_step_of_a_move(
    world: InternshipHarness, shards: Shards
) -> None:
    for shard in shards.all_shards():
        own = [
            search_collection.entry_document(each, NOW)
            for each in MARKET[:200]
            if shards.shard_for(each.id) is shard
        ]
        await shard.db[search_collection.SEARCH_COLLECTION].insert_many(own)
    await world.lexicon.reload()
    before, words = await answered(world), world.lexicon.vocabulary._counts
    assert sum(bool(hits) for hits, _ in before) > 5

    async for step in moves(shards, search_collection.SEARCH_COLLECTION):
        await world.lexicon.reload()
        assert world.lexicon.vocabulary._counts == words, step
        assert await answered(world) == before, step


async def test_a_sweep_comes_to_its_end_though_the_listings_move_under_it(
    world: InternshipHarness, shards: Shards, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = world.companies.add("Acme", slot=MOVING.first)
    deadline = world.clock.now() + timedelta(hours=1)
    posted = [await world.published(owner, apply_deadline=deadline) for _ in range(3)]
    world.clock.advance(timedelta(hours=2))
    go_by(shards, begun(shards))
    await copy(shards, listings.LISTINGS)
    collect_ids = listings._collect_ids

    async def collect_and_switch(cursor: Any) -> list[str]:
        found = await collect_ids(cursor)
        if found and shards.shard_for(MOVING.first).name == "s1":
            go_by(shards, switched(shards))
        return found

    monkeypatch.setattr(listings, "_collect_ids", collect_and_switch)
    monkeypatch.setattr(expire_listings, "BATCH_SIZE", 1)
    async with asyncio.timeout(WAIT_TIMEOUT_S):
        await world.expiry.expire_due()

    states = [(await world.get(owner, listing.id)).state for listing in posted]
    assert states == [pb.INTERNSHIP_STATE_EXPIRED] * 3

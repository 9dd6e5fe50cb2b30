"""The search index, damaged and rebuilt from the listings."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from redis.asyncio.cluster import RedisCluster

from chassis.cache import Cache
from chassis.call_context import acting_as
from chassis.ids import new_id, slot_of
from chassis.sharding.shards import Shards
from internshipconnect.internship.v1 import internship_pb2 as pb
from services.internship.mapping.search import index_entry_from_message
from services.internship.rebuild import SearchIndexRebuilder
from services.internship.repository import COLLECTIONS, search_collection
from services.internship.search.port import Tombstone
from tests.databases import own_databases
from tests.integration.internship.harness import CONTEXT, NOW, InternshipHarness
from tests.stack import StackHandle


@pytest.fixture
async def world(cache: Cache, redis: RedisCluster) -> AsyncIterator[InternshipHarness]:
    """Yield a service with an index of its own."""
    async with own_databases(StackHandle.under_test(), "internship", COLLECTIONS) as shards:
        yield InternshipHarness(shards, cache, redis)


def rebuilder(world: InternshipHarness, *, write: bool = True) -> SearchIndexRebuilder:
    return SearchIndexRebuilder(world.repository, world.search_index, world.clock, write=write)


async def rebuilt(
    world: InternshipHarness, since: datetime | None = None, *, write: bool = True
) -> Counter[str]:
    """Return the number of repairs, by kind."""
    mended = Counter[str]()

    def progress(what: str, _looked_at: int, wrong: int) -> None:
        mended[what] += wrong

    await rebuilder(world, write=write).rebuild(since, progress)
    return +mended


async def indexed(shards: Shards) -> dict[str, Any]:
    """Return the entries of the index, without the time when they were written."""
    found = [
        row
        for shard in shards.all_shards()
        for row in await shard.db[search_collection.SEARCH_COLLECTION].find().to_list()
    ]
    return {
        row["_id"]: {name: value for name, value in row.items() if name not in ("index_time", "gone_time")}
        for row in found
    }


async def market(world: InternshipHarness) -> list[pb.Internship]:
    """Return six open listings of two companies and one that was closed again, all indexed correctly."""
    owners = [world.companies.add("Acme"), world.companies.add("Brass")]
    listings = [await world.published(owner, title=f"Baker {i}") for owner in owners for i in range(3)]
    closed = await world.published(owners[0], title="Baker 9")
    with acting_as(owners[0]):
        await world.api.CloseInternship(pb.CloseInternshipRequest(internship_id=closed.id), CONTEXT)
    await world.deliver()
    return [*listings, closed]


async def test_an_index_that_is_right_is_left_alone(world: InternshipHarness) -> None:
    """Whichever process wrote it: the order of an entry's terms differs from one to the next."""
    other = (await market(world))[0]
    entries = world.shards.shard_for(other.id).db[search_collection.SEARCH_COLLECTION]
    terms = (await indexed(world.shards))[other.id]["terms"]
    await entries.update_one({"_id": other.id}, {"$set": {"terms": terms[::-1]}})
    before = await indexed(world.shards)
    assert await rebuilt(world) == {}
    assert await indexed(world.shards) == before


async def test_damaged_entries_are_repaired_and_no_others(world: InternshipHarness) -> None:
    gone, changed, ahead, hidden, behind, _fine, closed = await market(world)
    before = await indexed(world.shards)

    def entries(id_: str) -> Any:
        return world.shards.shard_for(id_).db[search_collection.SEARCH_COLLECTION]

    await entries(gone.id).delete_one({"_id": gone.id})
    await entries(changed.id).update_one({"_id": changed.id}, {"$set": {"terms": ["wrong"]}})
    await entries(ahead.id).update_one({"_id": ahead.id}, {"$set": {"version": 99, "hourly_pay_minor": 1}})
    tombstone = Tombstone(id=hidden.id, version=77, gone_time=NOW)
    buried = search_collection.tombstone_document(tombstone, NOW)
    await entries(hidden.id).replace_one({"_id": hidden.id}, buried)
    await entries(behind.id).update_one({"_id": behind.id}, {"$set": {"version": 1, "hit": b""}})
    stray = before[gone.id] | {"_id": new_id("int", slot_of(gone.id))}
    await entries(gone.id).insert_one(stray)
    shown = before[gone.id] | {"_id": closed.id, "slot": slot_of(closed.id), "version": 1}
    await entries(closed.id).replace_one({"_id": closed.id}, shown)

    damaged = await indexed(world.shards)
    assert await rebuilt(world, write=False) == {"listings": 6, "index entries": 1}
    assert await indexed(world.shards) == damaged
    assert await rebuilt(world) == {"listings": 6, "index entries": 1}
    assert await indexed(world.shards) == before
    assert await rebuilt(world) == {}


async def test_a_recently_closed_listing_gets_its_tombstone_back_and_a_late_event_cannot_restore_it(
    world: InternshipHarness,
) -> None:
    *_, closed = await market(world)
    entries = world.shards.shard_for(closed.id).db[search_collection.SEARCH_COLLECTION]
    await entries.delete_one({"_id": closed.id})
    assert await rebuilt(world) == {"listings": 1}
    await world.search_index.put(index_entry_from_message(closed))
    assert "terms" not in (await indexed(world.shards))[closed.id]
    await entries.delete_one({"_id": closed.id})
    world.clock.advance(search_collection.TOMBSTONE_LIFE)
    assert await rebuilt(world) == {}


async def test_a_part_is_rebuilt_by_when_listings_changed(world: InternshipHarness) -> None:
    old = (await market(world))[0]
    world.clock.advance(timedelta(hours=2))
    new = await world.published(world.companies.add("Copper"))
    await world.deliver()
    for shard in world.shards.all_shards():
        await shard.db[search_collection.SEARCH_COLLECTION].delete_many({})
    assert await rebuilt(world, world.clock.now() - timedelta(hours=1)) == {"listings": 1}
    assert set(await indexed(world.shards)) == {new.id}
    await rebuilt(world)
    assert old.id in await indexed(world.shards)


async def test_a_rebuild_while_listings_come_and_change_ends_with_the_right_index(
    world: InternshipHarness,
) -> None:
    await market(world)
    owner = world.companies.add("Busy")
    for shard in world.shards.all_shards():
        await shard.db[search_collection.SEARCH_COLLECTION].delete_many({})

    async def busy() -> None:
        for i in range(20):
            listing = await world.published(owner, title=f"Busy {i}")
            if i % 2:
                with acting_as(owner):
                    await world.api.CloseInternship(
                        pb.CloseInternshipRequest(internship_id=listing.id), CONTEXT
                    )
            await world.deliver()

    async def rebuilding() -> None:
        for _ in range(10):
            await rebuilt(world)

    await asyncio.gather(busy(), rebuilding())
    open_ones = {id_ for id_, row in (await indexed(world.shards)).items() if "terms" in row}
    assert len(open_ones) == 6 + 10
    assert await rebuilt(world) == {}


async def test_entries_of_an_older_format_are_rebuilt_with_their_coordinates(
    world: InternshipHarness,
) -> None:
    listings = await market(world)
    before = await indexed(world.shards)
    for each in listings[:4]:
        older = {
            "$unset": {"format": 1, "title": 1},
            "$set": {"terms": ["x"], "impacts": {"x": 1}, "spots": []},
        }
        await (
            world.shards.shard_for(each.id)
            .db[search_collection.SEARCH_COLLECTION]
            .update_one({"_id": each.id}, older)
        )
    await rebuilder(world).upgrade_outdated()
    assert await indexed(world.shards) == before
    assert await rebuilt(world) == {}

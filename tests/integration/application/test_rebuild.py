"""The companies' lists of applicants, damaged and rebuilt from the applications."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from chassis.ids import new_id
from chassis.sharding.shards import Shards
from services.application.rebuild import ApplicantListRebuilder
from services.application.repository import COLLECTIONS
from services.application.repository.collections import APPLICANTS
from tests.databases import own_databases
from tests.integration.application.harness import ApplicationHarness
from tests.integration.application.peers import DocumentService, InternshipService, UserService, peers_of
from tests.stack import StackHandle


@pytest.fixture
async def world() -> AsyncIterator[ApplicationHarness]:
    """Yield a service with a view of its own."""
    internships, users, document_service = InternshipService(), UserService(), DocumentService()
    async with (
        own_databases(StackHandle.under_test(), "application", COLLECTIONS) as shards,
        peers_of(internships, users, document_service) as peers,
    ):
        yield ApplicationHarness.on(shards, peers, internships, users, document_service)


async def rebuilt(
    world: ApplicationHarness, since: datetime | None = None, *, write: bool = True
) -> Counter[str]:
    """Return the number of repairs, by kind."""
    mended = Counter[str]()

    def progress(what: str, _looked_at: int, wrong: int) -> None:
        mended[what] += wrong

    await ApplicantListRebuilder(world.store, world.applicant_store, write=write).rebuild(since, progress)
    return +mended


async def rows(shards: Shards) -> dict[str, Any]:
    found = [row for shard in shards.all_shards() for row in await shard.db[APPLICANTS].find().to_list()]
    return {row["_id"]: row for row in found}


async def applied(world: ApplicationHarness) -> tuple[str, list[str]]:
    """Return a listing and the applications for it, of which two were moved; all shown as they should be."""
    listing = world.listing()
    made = [(await world.submit(world.student(), listing.id)).id for _ in range(6)]
    await world.move(world.member(), made[0], "SHORTLISTED", "INTERVIEW")
    await world.move(world.member(), made[1], "REJECTED")
    await world.deliver()
    return listing.id, made


async def test_damaged_rows_are_repaired_and_no_others(world: ApplicationHarness) -> None:
    listing, made = await applied(world)
    before = await rows(world.shards)
    assert await rebuilt(world) == {}
    view = world.shards.shard_for(listing).db[APPLICANTS]
    await view.delete_one({"_id": made[0]})
    await view.update_one({"_id": made[1]}, {"$set": {"state": "OFFERED"}})
    await view.update_one({"_id": made[2]}, {"$set": {"version": 50, "name": "Nobody"}})
    await view.insert_one(before[made[3]] | {"_id": new_id("app")})

    damaged = await rows(world.shards)
    expected = {"applications": 3, "rows of applicants": 1}
    assert await rebuilt(world, write=False) == expected
    assert await rows(world.shards) == damaged
    assert await rebuilt(world) == expected
    assert await rows(world.shards) == before
    assert await rebuilt(world) == {}


async def test_a_part_is_rebuilt_by_when_applications_changed(world: ApplicationHarness) -> None:
    listing, made = await applied(world)
    world.clock.advance(timedelta(hours=2))
    await world.move(world.member(), made[2], "SHORTLISTED")
    await world.shards.shard_for(listing).db[APPLICANTS].delete_many({})
    assert await rebuilt(world, world.clock.now() - timedelta(hours=1)) == {"applications": 1}
    assert set(await rows(world.shards)) == {made[2]}


async def test_a_rebuild_while_applications_come_and_move_ends_with_the_right_view(
    world: ApplicationHarness,
) -> None:
    listing, made = await applied(world)
    await world.shards.shard_for(listing).db[APPLICANTS].delete_many({})

    async def busy() -> None:
        for i in range(20):
            new = await world.submit(world.student(), listing)
            await world.move(world.member(), new.id, "SHORTLISTED")
            if i % 5 == 0:
                await world.deliver()
        await world.deliver()

    async def rebuilding() -> None:
        for _ in range(10):
            await rebuilt(world)

    await asyncio.gather(busy(), rebuilding())
    shown = await rows(world.shards)
    assert len(shown) == len(made) + 20
    assert sum(row["state"] == "SHORTLISTED" for row in shown.values()) == 20
    assert await rebuilt(world) == {}

"""Going by another slot map while the process runs; no server is asked."""

import asyncio

import pytest

from chassis.errors import DomainError
from chassis.ids import SLOT_COUNT
from chassis.sharding import rebalance
from chassis.sharding.shard import Shard
from chassis.sharding.shards import Shards
from chassis.sharding.slot_map import SlotMap
from tests.unit.chassis.sharding.conftest import HALVES, NOWHERE
from tests.waiting import WAIT_TIMEOUT_S, wait_until

ELSEWHERE = "mongodb://127.0.0.1:2/?directConnection=true"


def copies(slot_map: SlotMap) -> dict[str, SlotMap]:
    return dict.fromkeys(slot_map.uris, slot_map)


async def refuses(shard: Shard) -> bool:
    """Return whether a write is refused before it reaches the server."""
    writing = asyncio.ensure_future(shard.db["things"].insert_one({"_id": 1}))
    await wait_until(lambda: writing.done() or shard.db._permit.writes_in_flight > 0)
    writing.cancel()
    [outcome] = await asyncio.gather(writing, return_exceptions=True)
    if not isinstance(outcome, DomainError):
        return False
    assert outcome.reason == "UNAVAILABLE"
    assert outcome.retry_after_s
    return "handing these records over" in outcome.message


async def test_a_new_shard_leaves_all_ways_as_they_are(shards: Shards) -> None:
    before = shards.shard_for(1), shards.shard_for(SLOT_COUNT - 1)
    grown = rebalance.with_shard(HALVES, "s3", NOWHERE)

    shards.apply_slot_map(grown, copies(grown))

    assert (shards.shard_for(1), shards.shard_for(SLOT_COUNT - 1)) == before
    assert [shard.name for shard in shards.all_shards()] == ["s1", "s2", "s3"]


async def test_a_fence_closes_its_slots_for_writes_on_every_way_that_there_was(shards: Shards) -> None:
    before = shards.shard_for(1)
    fence = rebalance.with_fence(HALVES, {1, 2})

    shards.apply_slot_map(fence, {"s1": fence, "s2": HALVES})

    assert shards.shard_for(1).name == "s1"
    assert await refuses(before)
    assert await refuses(shards.shard_for(1))
    assert not await refuses(shards.shard_for(3))
    assert not await refuses(shards.shard_for(SLOT_COUNT - 1))


async def test_a_fence_does_not_concern_what_belongs_to_the_shard_itself(shards: Shards) -> None:
    before = shards.shard_for(1)
    fence = rebalance.with_fence(HALVES, range(SLOT_COUNT // 2))
    shards.apply_slot_map(fence, copies(fence))

    async with before.unscoped["leases"]._permit:
        assert await refuses(before)


async def test_moved_slots_lead_to_their_new_shard_which_takes_writes_by_its_own_copy_only(
    shards: Shards,
) -> None:
    moved = rebalance.with_owner(HALVES, {1}, "s2")

    shards.apply_slot_map(moved, {"s1": HALVES, "s2": HALVES})
    assert (shards.shard_for(1).name, await refuses(shards.shard_for(1))) == ("s2", True)

    shards.apply_slot_map(moved, {"s1": HALVES, "s2": moved})
    assert (shards.shard_for(1).name, await refuses(shards.shard_for(1))) == ("s2", False)


async def test_an_older_way_counts_as_drained_when_its_last_write_has_ended(shards: Shards) -> None:
    pool, permit = shards.pool_of("s1"), shards.shard_for(1).db._permit
    fence = rebalance.with_fence(HALVES, {1})
    async with permit:
        shards.apply_slot_map(fence, copies(fence))
        assert not pool.is_drained()
    assert pool.is_drained()


async def test_a_shard_at_another_address_gets_new_connections_and_others_keep_theirs(shards: Shards) -> None:
    former, other = shards.pool_of("s1"), shards.pool_of("s2")
    before = shards.shard_for(1)
    moved = rebalance.with_address(HALVES, "s1", ELSEWHERE)

    shards.apply_slot_map(moved, copies(moved))

    assert shards.pool_of("s2") is other
    assert shards.pool_of("s1") is not former
    assert set(shards.pool_of("s1").client.topology_description.server_descriptions()) == {("127.0.0.1", 2)}
    assert await refuses(before)
    assert not await refuses(shards.shard_for(1))


async def test_at_another_address_a_shard_has_to_confirm_again_before_it_is_written_to(
    shards: Shards,
) -> None:
    shards.require_leases()
    for name in ("s1", "s2"):
        lease = shards.pool_of(name).write_lease
        lease.record_announcement(lease.now())
        lease.record_confirmation(lease.now())
    moved = rebalance.with_address(HALVES, "s1", ELSEWHERE)

    shards.apply_slot_map(moved, copies(moved))

    assert [shards.pool_of(name).write_lease.is_valid() for name in ("s1", "s2")] == [False, True]


async def test_a_shard_counts_as_drained_when_writes_to_its_former_addresses_have_ended(
    shards: Shards,
) -> None:
    for address in (ELSEWHERE, NOWHERE):
        async with shards.shard_for(1).db._permit:
            moved = rebalance.with_address(shards.slot_map, "s1", address)
            shards.apply_slot_map(moved, copies(moved))
            fence = rebalance.with_fence(moved, {1})
            shards.apply_slot_map(fence, copies(fence))
            assert not shards.pool_of("s1").is_drained()
            open_again = rebalance.with_fence(fence, ())
            shards.apply_slot_map(open_again, copies(open_again))
        assert shards.pool_of("s1").is_drained()


async def test_work_on_each_shard_restarts_at_another_address(shards: Shards) -> None:
    begun: list[Shard] = []

    async def work(shard: Shard) -> None:
        begun.append(shard)
        await asyncio.Event().wait()

    async def until_begun(count: int) -> None:
        async with asyncio.timeout(WAIT_TIMEOUT_S):
            while len(begun) < count:
                await asyncio.sleep(0)

    keeping = asyncio.create_task(shards.run_on_each(work))
    await until_begun(2)
    shards.apply_slot_map(rebalance.with_fence(HALVES, {1}), {})
    moved = rebalance.with_address(HALVES, "s1", ELSEWHERE)
    shards.apply_slot_map(moved, {})
    await until_begun(3)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    assert begun[2:] == [shards.shard_for(1)]


async def test_work_on_each_shard_comes_and_goes_with_the_shards(shards: Shards) -> None:
    running: set[str] = set()

    async def work(shard: Shard) -> None:
        running.add(shard.name)
        try:
            await asyncio.Event().wait()
        finally:
            running.discard(shard.name)

    async def until_on(names: set[str]) -> None:
        async with asyncio.timeout(WAIT_TIMEOUT_S):
            while running != names:
                await asyncio.sleep(0)

    keeping = asyncio.create_task(shards.run_on_each(work))
    await until_on({"s1", "s2"})
    shards.apply_slot_map(rebalance.with_shard(HALVES, "s3", NOWHERE), {})
    await until_on({"s1", "s2", "s3"})
    shards.apply_slot_map(SlotMap(3, {"s1": NOWHERE}, ("s1",) * SLOT_COUNT), {})
    await until_on({"s1"})
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    assert not running


async def test_work_on_each_shard_ends_with_the_first_that_fails(shards: Shards) -> None:
    async def work(shard: Shard) -> None:
        if shard.name == "s2":
            raise LookupError("s2")
        await asyncio.Event().wait()

    with pytest.raises(LookupError, match="s2"):
        await shards.run_on_each(work)

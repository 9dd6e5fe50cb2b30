"""Conditions that queries get while slots move; no server is asked."""

import re
from pathlib import Path

import pytest

import services
from chassis.ids import SLOT_COUNT
from chassis.sharding import rebalance
from chassis.sharding.orphans import exclude_slots, narrow_pipeline, narrow_query
from chassis.sharding.shard import Shard, ShardPool
from chassis.sharding.shards import Shards
from chassis.sharding.slot_map import SlotMap, SlotMove, SlotRange
from tests.unit.chassis.sharding.conftest import HALVES
from tests.unit.chassis.sharding.test_rerouting import copies, refuses

ORPHAN_SPANS = exclude_slots({7, 8, 9, 11})
COPYING = rebalance.with_moves(HALVES, [SlotMove(SlotRange(7, 9), "s1", "s2")])
FENCED = rebalance.with_fence(COPYING, {7, 8, 9})
MOVED = rebalance.with_owner(FENCED, {7, 8, 9}, "s2")
CLEARED = rebalance.with_moves(MOVED, [])


def shown(shard: Shard) -> object:
    """Return the condition that a way reads under."""
    return shard.db["things"]._orphan_filter


def go_by(shards: Shards, slot_map: SlotMap) -> None:
    shards.apply_slot_map(slot_map, copies(slot_map))


def test_without_orphans_nothing_is_added() -> None:
    assert exclude_slots(()) is None


def test_orphans_are_excluded_by_the_fewest_ranges() -> None:
    assert ORPHAN_SPANS == {"$nor": [{"slot": {"$gte": 7, "$lte": 9}}, {"slot": {"$gte": 11, "$lte": 11}}]}


def test_a_query_keeps_what_it_says_itself() -> None:
    assert ORPHAN_SPANS
    own = {"slot": {"$lt": 8}, "$nor": [{"a": 1}]}
    assert narrow_query(own, ORPHAN_SPANS) == {"$and": [own, ORPHAN_SPANS]}
    assert narrow_query({}, ORPHAN_SPANS) == narrow_query(None, ORPHAN_SPANS) == ORPHAN_SPANS


def test_a_pipeline_is_narrowed_by_its_first_match_or_before_all_else() -> None:
    assert ORPHAN_SPANS
    match, group = {"$match": {"$text": {"$search": "x"}}}, {"$group": {"_id": "$a"}}
    both = {"$match": {"$and": [{"$text": {"$search": "x"}}, ORPHAN_SPANS]}}
    assert narrow_pipeline([match, group, match], ORPHAN_SPANS) == [both, group, match]
    assert narrow_pipeline([group, match], ORPHAN_SPANS) == [{"$match": ORPHAN_SPANS}, group, match]
    assert narrow_pipeline([], ORPHAN_SPANS) == [{"$match": ORPHAN_SPANS}]


def test_no_service_has_a_pipeline_that_could_not_be_narrowed() -> None:
    unfit = re.compile(r"\$(lookup|graphLookup|unionWith|geoNear|collStats|indexStats|documents|out|merge)\b")
    sources = list(Path(services.__path__[0]).rglob("*.py"))
    assert len(sources) > 50
    assert [path.name for path in sources if unfit.search(path.read_text())] == []


async def test_first_the_target_then_the_source_leaves_the_moving_slots_out(shards: Shards) -> None:
    moving = exclude_slots({7, 8, 9})
    seen = []
    for slot_map in (HALVES, COPYING, FENCED, MOVED, CLEARED):
        go_by(shards, slot_map)
        seen.append([shown(shard) for shard in shards.all_shards()])

    assert seen == [[None, None], [None, moving], [None, moving], [moving, None], [None, None]]


async def test_who_asked_before_goes_on_by_the_map_of_that_time(shards: Shards) -> None:
    go_by(shards, COPYING)
    asked = shards.all_shards()
    before = [shown(shard) for shard in asked]

    go_by(shards, MOVED)

    assert [shown(shard) for shard in asked] == before
    assert not {*asked} & {*shards.all_shards()}


async def test_the_handle_to_fenced_slots_excludes_orphans_as_well(shards: Shards) -> None:
    here_and_there = [
        SlotMove(SlotRange(7, 9), "s1", "s2"),
        SlotMove(SlotRange(SLOT_COUNT - 1, SLOT_COUNT - 1), "s2", "s1"),
    ]
    go_by(shards, rebalance.with_fence(rebalance.with_moves(HALVES, here_and_there), {7}))

    assert shards.shard_for(7) not in shards.all_shards()
    assert shown(shards.shard_for(7)) == exclude_slots({SLOT_COUNT - 1})


async def test_everything_derived_from_a_handle_excludes_orphans_and_the_shards_own_rows_stay(
    shards: Shards,
) -> None:
    go_by(shards, COPYING)
    target = shards.all_shards()[1]

    things = target.db["things"]
    made = [
        things,
        things.with_options(),
        target.db.get_collection("things"),
        target.db.secondary_reads["things"],
    ]
    async with target.db.client.start_session() as session:
        bound = target.db.bind_to_session(session)
        made += [bound["things"], bound["things"].with_options(), bound.get_collection("things")]
    assert [each._orphan_filter for each in made] == [exclude_slots({7, 8, 9})] * len(made)
    assert target.unscoped["things"]._orphan_filter is None
    assert shards.pool_of("s2").cluster_database["things"]._orphan_filter is None


async def test_writes_go_on_through_an_older_way_until_slots_are_closed(shards: Shards) -> None:
    older = shards.all_shards()
    go_by(shards, COPYING)
    newer = shards.all_shards()
    assert older[0] is newer[0]
    assert older[1] is not newer[1]
    assert [await refuses(shard) for shard in (*older, *newer)] == [False] * 4

    go_by(shards, FENCED)

    assert [await refuses(shard) for shard in (*older, *newer)] == [True, False, True, False]


async def _under_way(pool: ShardPool, shard: Shard, shards: Shards) -> list[bool]:
    """Return whether the pool is drained during a write through `shard`, and after it."""
    async with shard.db._permit:
        go_by(shards, rebalance.with_fence(shards.slot_map, {SLOT_COUNT - 1}))
        drained = pool.is_drained()
    return [drained, pool.is_drained()]


async def test_a_write_through_a_way_from_before_the_move_is_waited_for(shards: Shards) -> None:
    before, pool = shards.shard_for(SLOT_COUNT - 1), shards.pool_of("s2")
    go_by(shards, COPYING)
    assert shards.shard_for(SLOT_COUNT - 1) is not before

    assert await _under_way(pool, before, shards) == [False, True]


@pytest.mark.parametrize("age", ["older", "newer"])
async def test_blocked_slots_are_refused_to_holders_of_older_and_newer_ways(shards: Shards, age: str) -> None:
    older = shards.all_shards()[1]
    go_by(shards, COPYING)
    shards.apply_slot_map(MOVED, {"s1": MOVED, "s2": COPYING})
    way = older if age == "older" else shards.all_shards()[1]

    assert way.db._permit.blocked_slots == {7, 8, 9}

"""Changes of the slot map: nothing is lost, nothing is moved twice, and every change is a new version."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.ids import SLOT_COUNT
from chassis.sharding import rebalance
from chassis.sharding.slot_map import SlotMap, SlotMove, SlotRange, to_slot_ranges


@st.composite
def slot_maps(draw: st.DrawFn) -> SlotMap:
    """Draw up to eight shards, some of them without slots, in ranges of any length."""
    names = [f"s{number}" for number in range(1, draw(st.integers(1, 8)) + 1)]
    edges = sorted(draw(st.sets(st.integers(1, SLOT_COUNT - 1), max_size=12)))
    owners: list[str] = []
    for first, after in zip([0, *edges], [*edges, SLOT_COUNT], strict=True):
        owners += [draw(st.sampled_from(names))] * (after - first)
    return SlotMap(draw(st.integers(1, 99)), {name: f"mongodb://{name}" for name in names}, tuple(owners))


some_slots = st.sets(st.integers(0, SLOT_COUNT - 1), max_size=50)


@settings(max_examples=40, deadline=None)
@given(slot_maps(), some_slots)
def test_a_map_survives_being_written_down(slot_map: SlotMap, fenced: set[int]) -> None:
    name = next(iter(slot_map.uris))
    changed = rebalance.with_moves(
        rebalance.with_fence(slot_map, fenced), [SlotMove(SlotRange(3, 5), name, name)]
    )

    assert SlotMap.from_document(changed.to_document()) == changed
    assert SlotMap.from_document({"_id": "slot_map"} | slot_map.to_document()) == slot_map


@given(some_slots)
def test_spans_hold_each_slot_once_and_touch_nowhere(slots: set[int]) -> None:
    found = to_slot_ranges(slots)

    assert [slot for span in found for slot in span.slots] == sorted(slots)
    assert all(one.last + 1 < following.first for one, following in pairwise(found))


@settings(max_examples=20, deadline=None)
@given(slot_maps())
def test_a_new_shard_takes_nothing_from_the_others(slot_map: SlotMap) -> None:
    grown = rebalance.with_shard(slot_map, "s9", "mongodb://s9")

    assert grown.version == slot_map.version + 1
    assert grown.owners == slot_map.owners
    assert list(grown.uris) == [*slot_map.uris, "s9"]


def test_a_new_address_changes_nothing_but_the_address() -> None:
    first = SlotMap(3, {"s1": "mongodb://a", "s2": "mongodb://b"}, ("s1",) * SLOT_COUNT, frozenset({1}))

    assert rebalance.with_address(first, "s2", "mongodb://c") == SlotMap(
        4, {"s1": "mongodb://a", "s2": "mongodb://c"}, first.owners, first.fenced
    )


@settings(max_examples=20, deadline=None)
@given(slot_maps(), some_slots, some_slots)
def test_a_region_has_the_slots_of_its_shards_that_are_settled(
    slot_map: SlotMap, fenced: set[int], moving: set[int]
) -> None:
    name = next(iter(slot_map.uris))
    moves = [SlotMove(span, name, name) for span in to_slot_ranges(moving)]
    changed = rebalance.with_moves(rebalance.with_fence(slot_map, fenced), moves)
    placed = rebalance.with_region(changed, name, "eu-central")

    assert placed.version == changed.version + 1
    assert SlotMap.from_document(placed.to_document()) == placed
    assert set(placed.settled_slots_in("eu-central")) == slot_map.slots_of(name) - fenced - moving
    assert placed.settled_slots_in("us-east") == placed.settled_slots_in("") == ()
    assert rebalance.with_region(placed, name, "").regions == {}
    for later in (
        rebalance.with_shard(placed, "s9", "mongodb://s9"),
        rebalance.with_owner(placed, {1}, name),
        rebalance.with_address(placed, name, "mongodb://elsewhere"),
    ):
        assert later.regions == {name: "eu-central"}


def test_a_map_without_regions_is_written_as_before() -> None:
    """Processes of an older version refuse what they do not know."""
    first = SlotMap(1, {"s1": "mongodb://a"}, ("s1",) * SLOT_COUNT)
    assert first.to_document()["shards"] == {"s1": {"uri": "mongodb://a"}}


@pytest.mark.parametrize(
    ("name", "region", "says"),
    [
        ("s9", "eu", "there is no shard 's9'; there are: s1"),
        ("s1", "EU West", "'EU West' is no name for a region"),
        ("s1", "", "in no region already"),
    ],
)
def test_a_region_of_no_shard_or_that_is_no_name_is_refused(name: str, region: str, says: str) -> None:
    first = SlotMap(1, {"s1": "mongodb://a"}, ("s1",) * SLOT_COUNT)
    with pytest.raises(rebalance.SlotMapChangeError, match=says):
        rebalance.with_region(first, name, region)


@pytest.mark.parametrize(
    ("name", "uri", "says"),
    [
        ("s9", "mongodb://c", "no shard 's9'; there are: s1"),
        ("s1", "mongodb://a", "is at mongodb://a already"),
    ],
)
def test_an_address_of_no_shard_or_the_one_it_has_is_refused(name: str, uri: str, says: str) -> None:
    with pytest.raises(rebalance.SlotMapChangeError, match=says):
        rebalance.with_address(SlotMap(1, {"s1": "mongodb://a"}, ("s1",) * SLOT_COUNT), name, uri)


@pytest.mark.parametrize(("name", "says"), [("s1", "a shard 's1' already"), ("S 3", "no name for a shard")])
def test_a_shard_that_is_there_or_has_no_proper_name_is_refused(name: str, says: str) -> None:
    with pytest.raises(rebalance.SlotMapChangeError, match=says):
        rebalance.with_shard(SlotMap(1, {"s1": "mongodb://s1"}, ("s1",) * SLOT_COUNT), name, "mongodb://x")


@settings(max_examples=20, deadline=None)
@given(slot_maps(), some_slots, st.data())
def test_a_move_changes_the_owner_of_its_slots_alone_and_opens_them(
    slot_map: SlotMap, moving: set[int], data: st.DataObject
) -> None:
    target = data.draw(st.sampled_from(list(slot_map.uris)))
    before = rebalance.with_fence(slot_map, moving | {0})

    after = rebalance.with_owner(before, moving, target)

    assert after.version == before.version + 1
    assert {slot for slot in range(SLOT_COUNT) if after.owners[slot] != slot_map.owners[slot]} <= moving
    assert {after.owners[slot] for slot in moving} <= {target}
    assert after.fenced == {0} - moving


def test_while_slots_move_the_shard_that_does_not_own_them_holds_orphans() -> None:
    first = SlotMap(1, {"s1": "", "s2": "", "s3": ""}, ("s1",) * SLOT_COUNT)
    copying = rebalance.with_moves(first, [SlotMove(SlotRange(7, 9), "s1", "s2")])
    moved = rebalance.with_owner(copying, {7, 8, 9}, "s2")

    assert [copying.orphan_slots(name) for name in first.uris] == [set(), {7, 8, 9}, set()]
    assert [moved.orphan_slots(name) for name in first.uris] == [{7, 8, 9}, set(), set()]
    assert rebalance.with_moves(moved, []).orphan_slots("s1") == set()


def test_slots_do_not_move_to_a_shard_that_is_not_there() -> None:
    with pytest.raises(rebalance.SlotMapChangeError, match="no shard 's9'; there are: s1"):
        rebalance.with_owner(SlotMap(1, {"s1": "mongodb://s1"}, ("s1",) * SLOT_COUNT), {1}, "s9")


@settings(max_examples=40, deadline=None)
@given(slot_maps())
def test_an_even_plan_makes_shards_equal_with_the_fewest_slots_moved(slot_map: SlotMap) -> None:
    plan = rebalance.plan_rebalance(slot_map)

    after = slot_map
    for move in plan:
        assert {after.owners[slot] for slot in move.span.slots} == {move.source}
        after = rebalance.with_owner(after, move.span.slots, move.target)
    counts = [len(after.slots_of(name)) for name in after.uris]
    assert max(counts) - min(counts) <= 1
    share, odd = divmod(SLOT_COUNT, len(slot_map.uris))
    fullest_first = sorted((len(slot_map.slots_of(name)) for name in slot_map.uris), reverse=True)
    surplus = sum(max(0, held - share - (place < odd)) for place, held in enumerate(fullest_first))
    assert sum(len(move.span.slots) for move in plan) == surplus


@settings(max_examples=20, deadline=None)
@given(slot_maps(), st.data())
def test_a_plan_makes_each_regions_shards_equal_and_takes_no_slot_out_of_its_region(
    slot_map: SlotMap, data: st.DataObject
) -> None:
    regions = {name: data.draw(st.sampled_from(["eu", "us", ""])) for name in slot_map.uris}
    placed = replace(slot_map, regions={name: region for name, region in regions.items() if region})
    after = placed
    for move in rebalance.plan_rebalance(placed):
        assert regions[move.source] == regions[move.target]
        after = rebalance.with_owner(after, move.span.slots, move.target)
    for region in set(regions.values()):
        counts = [len(after.slots_of(name)) for name in regions if regions[name] == region]
        assert max(counts) - min(counts) <= 1


def test_a_plan_that_is_half_carried_out_leaves_its_other_half() -> None:
    grown = SlotMap(
        1, {"s1": "", "s2": "", "s3": ""}, ("s1",) * (SLOT_COUNT // 2) + ("s2",) * (SLOT_COUNT // 2)
    )
    one, other = rebalance.plan_rebalance(grown)

    half = rebalance.with_owner(grown, one.span.slots, one.target)

    assert rebalance.plan_rebalance(half) == [other]

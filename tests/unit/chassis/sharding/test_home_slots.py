"""Slots for new accounts: of the process's own region, by the present map."""

from dataclasses import replace

from chassis.ids import SLOT_COUNT
from chassis.sharding.home_slots import HomeSlots
from chassis.sharding.slot_map import SlotMap

OWNERS = ("s1",) * (SLOT_COUNT - 3) + ("s2",) * 3
PLAIN = SlotMap(1, {"s1": "mongodb://a", "s2": "mongodb://b"}, OWNERS)


def test_only_slots_of_the_region_are_chosen_and_all_of_them() -> None:
    placed = replace(PLAIN, regions={"s2": "us-east"})
    homes = HomeSlots(lambda: placed, "us-east")
    assert {homes.choose() for _ in range(200)} == {SLOT_COUNT - 3, SLOT_COUNT - 2, SLOT_COUNT - 1}


def test_without_a_shard_in_the_region_any_slot_will_do() -> None:
    assert HomeSlots(lambda: PLAIN, "us-east").choose() is None
    assert HomeSlots(lambda: PLAIN, "local").choose() is None


def test_a_changed_map_counts_at_once() -> None:
    maps = [PLAIN]
    homes = HomeSlots(lambda: maps[-1], "us-east")
    assert homes.choose() is None
    maps.append(
        replace(
            PLAIN, version=2, regions={"s2": "us-east"}, fenced=frozenset(range(SLOT_COUNT - 2, SLOT_COUNT))
        )
    )
    assert {homes.choose() for _ in range(20)} == {SLOT_COUNT - 3}

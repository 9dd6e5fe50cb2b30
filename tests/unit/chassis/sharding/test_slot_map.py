"""The slot map: every slot has exactly one shard, or the file is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from chassis.ids import SLOT_COUNT
from chassis.sharding.slot_map import SlotMap

HALVES = [{"first": 0, "last": 8191, "shard": "s1"}, {"first": 8192, "last": SLOT_COUNT - 1, "shard": "s2"}]


def loaded(folder: Path, ranges: list[dict[str, Any]], **more: Any) -> SlotMap:
    shards = {name: {"uri": f"mongodb://{name}"} for name in ("s1", "s2")}
    path = folder / "slots.json"
    path.write_text(json.dumps({"version": 3, "shards": shards, "ranges": ranges} | more))
    return SlotMap.load(path)


def test_each_slot_has_the_shard_of_its_range(tmp_path: Path) -> None:
    slot_map = loaded(tmp_path, HALVES)

    assert [slot_map.shard_name(slot) for slot in (0, 8191, 8192, SLOT_COUNT - 1)] == ["s1", "s1", "s2", "s2"]
    assert slot_map.version == 3
    assert slot_map.uris == {"s1": "mongodb://s1", "s2": "mongodb://s2"}


@pytest.mark.parametrize(
    ("ranges", "complaint"),
    [
        (HALVES[:1], "gives slot 8192 to no shard"),
        ([*HALVES, {"first": 5, "last": 5, "shard": "s2"}], "5-5 overlaps"),
        ([{"first": 0, "last": SLOT_COUNT - 1, "shard": "s9"}], "unknown shard 's9'"),
        ([{"first": 9, "last": 3, "shard": "s1"}], "ends before it begins"),
        ([{"first": 0, "last": SLOT_COUNT, "shard": "s1"}], r"ranges\[0\].last"),
    ],
)
def test_a_map_that_leaves_a_slot_in_doubt_is_refused(
    tmp_path: Path, ranges: list[dict[str, Any]], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        loaded(tmp_path, ranges)


def test_a_move_between_shards_that_are_not_there_is_refused(tmp_path: Path) -> None:
    move = {"span": {"first": 1, "last": 2}, "source": "s1", "target": "s9"}
    with pytest.raises(ValueError, match="move of 1-2 names the unknown shard 's9'"):
        loaded(tmp_path, HALVES, moving=[move])


def test_a_misspelt_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="rnages"):
        loaded(tmp_path, HALVES, rnages=[])


@pytest.mark.parametrize("slot", [-1, SLOT_COUNT])
def test_a_slot_that_does_not_exist_has_no_shard(tmp_path: Path, slot: int) -> None:
    with pytest.raises(ValueError, match="slot"):
        loaded(tmp_path, HALVES).shard_name(slot)

"""Changes of the slot map as pure functions from one map to its next version."""

import re
from collections.abc import Collection
from dataclasses import replace
from typing import Final

from chassis.sharding.slot_map import SlotMap, SlotMove, to_slot_ranges

_SHARD_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,30}")
_REGION_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")


class SlotMapChangeError(ValueError):
    """The change is invalid for this map; the message says why."""


def with_shard(slot_map: SlotMap, name: str, uri: str) -> SlotMap:
    """Return the map with one more shard, which has no slots yet. Raises SlotMapChangeError."""
    if not _SHARD_NAME.fullmatch(name):
        raise SlotMapChangeError(
            f"'{name}' is no name for a shard: use small letters, digits and dashes, at most 31"
        )
    if name in slot_map.uris:
        raise SlotMapChangeError(f"there is a shard '{name}' already; it is at {slot_map.uris[name]}")
    return replace(slot_map, version=slot_map.version + 1, uris=slot_map.uris | {name: uri})


def with_address(slot_map: SlotMap, name: str, uri: str) -> SlotMap:
    """Return the map with the shard at another address. Raises SlotMapChangeError."""
    _require_shard(slot_map, name)
    if slot_map.uris[name] == uri:
        raise SlotMapChangeError(f"the shard '{name}' is at {uri} already")
    return replace(slot_map, version=slot_map.version + 1, uris=slot_map.uris | {name: uri})


def with_region(slot_map: SlotMap, name: str, region: str) -> SlotMap:
    """Return the map with the shard in a region, "" for none. Raises SlotMapChangeError."""
    _require_shard(slot_map, name)
    if region and not _REGION_NAME.fullmatch(region):
        raise SlotMapChangeError(
            f"'{region}' is no name for a region: use small letters, digits and dashes, at most 63"
        )
    if slot_map.regions.get(name, "") == region:
        where = f"in the region '{region}'" if region else "in no region"
        raise SlotMapChangeError(f"the shard '{name}' is {where} already")
    others = {other: at for other, at in slot_map.regions.items() if other != name}
    regions = others | ({name: region} if region else {})
    return replace(slot_map, version=slot_map.version + 1, regions=regions)


def with_moves(slot_map: SlotMap, moves: Collection[SlotMove]) -> SlotMap:
    """Return the map with exactly these moves in progress. Raises SlotMapChangeError."""
    for name in (name for move in moves for name in (move.source, move.target)):
        _require_shard(slot_map, name)
    return replace(slot_map, version=slot_map.version + 1, moving=tuple(moves))


def with_fence(slot_map: SlotMap, slots: Collection[int]) -> SlotMap:
    """Return the map with exactly these slots fenced: they are read and not written."""
    return replace(slot_map, version=slot_map.version + 1, fenced=frozenset(slots))


def with_owner(slot_map: SlotMap, slots: Collection[int], shard: str) -> SlotMap:
    """Return the map with these slots on that shard, open for writes. Raises SlotMapChangeError."""
    _require_shard(slot_map, shard)
    moving = frozenset(slots)
    owners = tuple(shard if slot in moving else owner for slot, owner in enumerate(slot_map.owners))
    return replace(slot_map, version=slot_map.version + 1, owners=owners, fenced=slot_map.fenced - moving)


def plan_rebalance(slot_map: SlotMap) -> list[SlotMove]:
    """Return the fewest moves after which the numbers of slots of a region's shards differ by at most one.

    No slot leaves its region. Shards without a region are as one region.
    """
    regions = {slot_map.regions.get(name, "") for name in slot_map.uris}
    return [move for region in sorted(regions) for move in _plan_region(slot_map, region)]


def _plan_region(slot_map: SlotMap, region: str) -> list[SlotMove]:
    names = [name for name in slot_map.uris if slot_map.regions.get(name, "") == region]
    held = {name: sorted(slot_map.slots_of(name)) for name in names}
    goal = _even_slot_counts({name: len(slots) for name, slots in held.items()})
    surplus = [(slot, name) for name, slots in held.items() for slot in slots[goal[name] :]]
    moves: list[SlotMove] = []
    for target, slots in held.items():
        missing = max(0, goal[target] - len(slots))
        taken, surplus = surplus[:missing], surplus[missing:]
        for source in dict.fromkeys(name for _, name in taken):
            moving = to_slot_ranges(slot for slot, name in taken if name == source)
            moves += [SlotMove(span, source, target) for span in moving]
    return moves


def _require_shard(slot_map: SlotMap, shard: str) -> None:
    if shard not in slot_map.uris:
        raise SlotMapChangeError(f"there is no shard '{shard}'; there are: {', '.join(slot_map.uris)}")


def _even_slot_counts(counts: dict[str, int]) -> dict[str, int]:
    """Return the number of slots of each shard; the remainder goes to shards that have more already."""
    share, odd = divmod(sum(counts.values()), len(counts))
    fullest = sorted(counts, key=lambda name: (counts[name] != share + 1, -counts[name]))
    return {name: share + (place < odd) for place, name in enumerate(fullest)}

"""The slot map: the shard of each slot, as versioned data from a file or from a shard's copy."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from chassis.ids import SLOT_COUNT

SlotNumber = Annotated[int, msgspec.Meta(ge=0, lt=SLOT_COUNT)]

_UNOWNED: Final = ""


class _ShardAddress(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    uri: str
    region: str = ""


class _OwnedRange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    first: SlotNumber
    last: SlotNumber
    shard: str


class SlotRange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Consecutive slots, `last` included."""

    first: SlotNumber
    last: SlotNumber

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"

    @property
    def slots(self) -> range:
        """The slots of the range."""
        return range(self.first, self.last + 1)


class SlotMove(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Slots that move from one shard to another: both hold documents of them."""

    span: SlotRange
    source: str
    target: str


class _SlotMapDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    shards: dict[str, _ShardAddress]
    ranges: list[_OwnedRange]
    fenced: list[SlotRange] = []
    moving: list[SlotMove] = []


@dataclass(frozen=True, slots=True)
class SlotMap:
    """The shard of every slot, and every shard's address (a MongoDB URI without user and password).

    Slots that are `fenced` are read and not written. While slots are `moving`, and until their remains on the
    former owner are deleted, two shards hold documents of them, and those of the owner count. A version has
    one content everywhere: every change, a fence as well, makes a new version. `regions` names the region of
    each shard that has one: where its primary is.
    """

    version: int
    uris: dict[str, str]
    owners: tuple[str, ...]
    fenced: frozenset[int] = frozenset()
    moving: tuple[SlotMove, ...] = ()
    regions: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> "SlotMap":
        """Read {version, shards: {name: {uri, region}}, ranges: [{first, last, shard}]}; `last` included.

        A shard needs no region.

        Raises:
            ValueError: the file is not of this shape, names an unknown shard, or does not give
                every slot to exactly one shard.
            OSError: the file cannot be read.
        """
        try:
            return cls._from_struct(msgspec.json.decode(path.read_bytes(), type=_SlotMapDocument))
        except msgspec.DecodeError as error:
            raise ValueError(f"the slot map {path} is not as it should be: {error}") from error

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "SlotMap":
        """Return the map in a document of the file's shape, with `fenced: [{first, last}]` and `moving:
        [{span: {first, last}, source, target}]`.

        Raises ValueError as `load` does.
        """
        fields = {name: value for name, value in document.items() if name != "_id"}
        try:
            return cls._from_struct(msgspec.convert(fields, _SlotMapDocument))
        except msgspec.ValidationError as error:
            raise ValueError(f"the slot map is not as it should be: {error}") from error

    @classmethod
    def _from_struct(cls, written: _SlotMapDocument) -> "SlotMap":
        uris = {name: shard.uri for name, shard in written.shards.items()}
        fenced = frozenset(slot for span in written.fenced for slot in span.slots)
        for move in written.moving:
            _check_move(move, written)
        regions = {name: shard.region for name, shard in written.shards.items() if shard.region}
        return cls(written.version, uris, _slot_owners(written), fenced, tuple(written.moving), regions)

    def to_document(self) -> dict[str, Any]:
        """Return the document that `from_document` reads."""
        ranges = [
            {"first": part[0], "last": part[-1], "shard": owner}
            for owner, slots in groupby(range(SLOT_COUNT), self.owners.__getitem__)
            for part in [list(slots)]
        ]
        return {
            "version": self.version,
            "shards": {
                name: msgspec.to_builtins(_ShardAddress(uri, self.regions.get(name, "")))
                for name, uri in self.uris.items()
            },
            "ranges": ranges,
            "fenced": [msgspec.to_builtins(span) for span in to_slot_ranges(self.fenced)],
            "moving": [msgspec.to_builtins(move) for move in self.moving],
        }

    def slots_of(self, shard: str) -> frozenset[int]:
        """Return the slots that a shard owns."""
        return frozenset(slot for slot, owner in enumerate(self.owners) if owner == shard)

    def settled_slots_in(self, region: str) -> tuple[int, ...]:
        """Return the slots of a region's shards that are neither fenced nor moving, in order."""
        moving = {slot for move in self.moving for slot in move.span.slots}
        return tuple(
            slot
            for slot, owner in enumerate(self.owners)
            if self.regions.get(owner) == region and slot not in self.fenced and slot not in moving
        )

    def orphan_slots(self, shard: str) -> frozenset[int]:
        """Return the slots of which a shard may hold orphans, as another shard owns or owned them."""
        return frozenset(
            slot
            for move in self.moving
            if shard in (move.source, move.target)
            for slot in move.span.slots
            if self.owners[slot] != shard
        )

    def shard_name(self, slot: int) -> str:
        """Return the shard that owns `slot`. Raises ValueError if there is no such slot."""
        if not 0 <= slot < SLOT_COUNT:
            raise ValueError(f"a slot is within 0-{SLOT_COUNT - 1}, not {slot}")
        return self.owners[slot]


def to_slot_ranges(slots: Iterable[int]) -> list[SlotRange]:
    """Return these slots as the fewest ranges, in order."""
    found: list[SlotRange] = []
    for slot in sorted(slots):
        if found and found[-1].last == slot - 1:
            found[-1] = SlotRange(found[-1].first, slot)
        else:
            found.append(SlotRange(slot, slot))
    return found


def _slot_owners(file: _SlotMapDocument) -> tuple[str, ...]:
    owners = [_UNOWNED] * SLOT_COUNT
    for span in file.ranges:
        _check_range(span, file, owners)
        owners[span.first : span.last + 1] = [span.shard] * (span.last + 1 - span.first)
    if _UNOWNED in owners:
        raise ValueError(f"the slot map gives slot {owners.index(_UNOWNED)} to no shard")
    return tuple(owners)


def _check_move(move: SlotMove, file: _SlotMapDocument) -> None:
    for name in (move.source, move.target):
        if name not in file.shards:
            raise ValueError(f"the slot map's move of {move.span} names the unknown shard {name!r}")


def _check_range(span: _OwnedRange, file: _SlotMapDocument, owners: list[str]) -> None:
    where = f"the slot map's range {span.first}-{span.last}"
    if span.shard not in file.shards:
        raise ValueError(f"{where} names the unknown shard {span.shard!r}")
    if span.last < span.first:
        raise ValueError(f"{where} ends before it begins")
    if any(owners[span.first : span.last + 1]):
        raise ValueError(f"{where} overlaps another range")

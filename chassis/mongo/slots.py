"""Which slot lives on which shard: versioned data, read from a file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import msgspec

from chassis.ids import SLOTS

Slot = Annotated[int, msgspec.Meta(ge=0, lt=SLOTS)]

_UNOWNED: Final = ""


class _Shard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    uri: str


class _Range(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    first: Slot
    last: Slot
    shard: str


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    shards: dict[str, _Shard]
    ranges: list[_Range]


@dataclass(frozen=True, slots=True)
class SlotMap:
    """Every slot's shard, and every shard's address (a MongoDB URI without user and password)."""

    version: int
    uris: dict[str, str]
    owners: tuple[str, ...]

    @classmethod
    def load(cls, path: Path) -> "SlotMap":
        """Reads {version, shards: {name: {uri}}, ranges: [{first, last, shard}]}; `last` included.

        Raises:
            ValueError: the file is not of this shape, names an unknown shard, or does not give
                every slot to exactly one shard.
            OSError: the file cannot be read.
        """
        try:
            file = msgspec.json.decode(path.read_bytes(), type=_File)
        except msgspec.DecodeError as error:
            raise ValueError(f"the slot map {path} is not as it should be: {error}") from error
        return cls(file.version, {name: shard.uri for name, shard in file.shards.items()}, _owners(file))

    def shard_name(self, slot: int) -> str:
        """The shard that holds `slot`; ValueError if there is no such slot."""
        if not 0 <= slot < SLOTS:
            raise ValueError(f"a slot is within 0-{SLOTS - 1}, not {slot}")
        return self.owners[slot]


def _owners(file: _File) -> tuple[str, ...]:
    owners = [_UNOWNED] * SLOTS
    for span in file.ranges:
        _check(span, file, owners)
        owners[span.first : span.last + 1] = [span.shard] * (span.last + 1 - span.first)
    if _UNOWNED in owners:
        raise ValueError(f"the slot map gives slot {owners.index(_UNOWNED)} to no shard")
    return tuple(owners)


def _check(span: _Range, file: _File, owners: list[str]) -> None:
    where = f"the slot map's range {span.first}-{span.last}"
    if span.shard not in file.shards:
        raise ValueError(f"{where} names the unknown shard {span.shard!r}")
    if span.last < span.first:
        raise ValueError(f"{where} ends before it begins")
    if any(owners[span.first : span.last + 1]):
        raise ValueError(f"{where} overlaps another range")

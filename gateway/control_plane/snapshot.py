"""Everything that the nodes of one group and region get, at one moment."""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from types import MappingProxyType
from typing import Self

from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.message import Message

from gateway.control_plane.kinds import BY_MESSAGE, IN_ORDER, Kind
from gateway.control_plane.references import Reference, make_canonical, references_of

_DIGEST_BYTES = 8
_NOUNS = {"cds": "cluster", "eds": "load assignment", "lds": "listener", "rds": "route configuration"}


class InconsistentSnapshotError(Exception):
    """A resource names another one that is not there; the message says which."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource as it goes over the wire; its version is a hash of its content.

    A node may hold one of another time, of which only name and version are known: it has no body.
    """

    name: str
    version: str
    body: Packed | None = field(default=None, repr=False, compare=False)
    uses: frozenset[Reference] = field(default=frozenset(), repr=False, compare=False)

    @classmethod
    def of(cls, kind: Kind, message: Message) -> Self:
        """Packs a message of that kind."""
        own = type(message)()
        own.CopyFrom(message)
        make_canonical(own)
        body = Packed(type_url=kind.type_url, value=own.SerializeToString(deterministic=True))
        return cls(kind.name_of(own), digest([body.value]), body, references_of(own))


Resources = Mapping[str, Resource]


@dataclass(frozen=True)
class Snapshot:
    """Resources by kind and name. `changed_at` is when what it reflects changed, in monotonic seconds."""

    resources: Mapping[Kind, Resources]
    changed_at: float = field(default_factory=time.monotonic, compare=False)

    @classmethod
    def of(cls, messages: Iterable[Message], *, changed_at: float | None = None) -> Self:
        """Sorts resources by their kind. Raises ValueError for another kind, or for two of one name."""
        found: dict[Kind, dict[str, Resource]] = {kind: {} for kind in IN_ORDER}
        for message in messages:
            kind = BY_MESSAGE.get(message.DESCRIPTOR.full_name)
            if kind is None:
                raise ValueError(f"{message.DESCRIPTOR.full_name} is no kind of resource")
            resource = Resource.of(kind, message)
            if resource.name in found[kind]:
                raise ValueError(f"there are two of the name {resource.name!r}: {_noun(kind)}")
            found[kind][resource.name] = resource
        return cls(_frozen(found), time.monotonic() if changed_at is None else changed_at)

    def plus(self, messages: Iterable[Message]) -> "Snapshot":
        """The same with further resources, without packing again what is here. Raises ValueError as `of`."""
        further = Snapshot.of(messages)
        both = {kind: {**self.of_kind(kind), **further.of_kind(kind)} for kind in IN_ORDER}
        return Snapshot(_frozen(both), further.changed_at)

    def of_kind(self, kind: Kind) -> Resources:
        """The resources of one kind, by name."""
        return self.resources.get(kind, MappingProxyType({}))

    def version(self, kind: Kind) -> str:
        """A hash of the content of all resources of one kind."""
        return self._versions[kind]

    @cached_property
    def _versions(self) -> Mapping[Kind, str]:
        return {kind: version_of(self.of_kind(kind)) for kind in IN_ORDER}

    def refuse_inconsistency(self) -> None:
        """Raises InconsistentSnapshotError when a resource names one that is not there."""
        complaints = sorted(self._complaints())
        if complaints:
            raise InconsistentSnapshotError("; ".join(complaints))

    def _complaints(self) -> Iterator[str]:
        for kind, resources in self.resources.items():
            for resource in resources.values():
                for wanted, name in resource.uses:
                    if name not in self.of_kind(wanted):
                        yield f"{_noun(kind)} {resource.name!r} names {_noun(wanted)} {name!r}: there is none"


def _frozen(found: Mapping[Kind, Mapping[str, Resource]]) -> Mapping[Kind, Resources]:
    return MappingProxyType({kind: MappingProxyType(of_kind) for kind, of_kind in found.items()})


def version_of(resources: Resources) -> str:
    """A hash of names and versions, whatever their order."""
    return digest(f"{name}={resources[name].version}\n".encode() for name in sorted(resources))


def digest(parts: Iterable[bytes]) -> str:
    """A short hash, stable over processes."""
    state = blake2b(digest_size=_DIGEST_BYTES)
    for part in parts:
        state.update(part)
    return state.hexdigest()


def _noun(kind: Kind) -> str:
    return _NOUNS.get(kind.label, kind.message)

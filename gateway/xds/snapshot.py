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

from gateway.xds.references import ResourceReference, canonicalize_message, find_references
from gateway.xds.resource_types import RESOURCE_TYPE_BY_MESSAGE, RESOURCE_TYPES_IN_PUSH_ORDER, ResourceType

_DIGEST_BYTES = 8
_RESOURCE_NOUNS = {
    "cds": "cluster",
    "eds": "load assignment",
    "lds": "listener",
    "rds": "route configuration",
}


class InconsistentSnapshotError(Exception):
    """A resource names another one that is not there; the message says which."""


@dataclass(frozen=True, slots=True)
class XdsResource:
    """One resource as it goes over the wire; its version is a hash of its content.

    A node may hold one of another time, of which only name and version are known: it has no body.
    """

    name: str
    version: str
    body: Packed | None = field(default=None, repr=False, compare=False)
    uses: frozenset[ResourceReference] = field(default=frozenset(), repr=False, compare=False)

    @classmethod
    def of(cls, kind: ResourceType, message: Message) -> Self:
        """Packs a message of that kind."""
        own = type(message)()
        own.CopyFrom(message)
        canonicalize_message(own)
        body = Packed(type_url=kind.type_url, value=own.SerializeToString(deterministic=True))
        return cls(kind.name_of(own), digest([body.value]), body, find_references(own))


ResourcesByName = Mapping[str, XdsResource]


@dataclass(frozen=True)
class Snapshot:
    """Resources by kind and name. `changed_at` is when what it reflects changed, in monotonic seconds."""

    resources: Mapping[ResourceType, ResourcesByName]
    changed_at: float = field(default_factory=time.monotonic, compare=False)

    @classmethod
    def of(cls, messages: Iterable[Message], *, changed_at: float | None = None) -> Self:
        """Sorts resources by their kind. Raises ValueError for another kind, or for two of one name."""
        found: dict[ResourceType, dict[str, XdsResource]] = {
            kind: {} for kind in RESOURCE_TYPES_IN_PUSH_ORDER
        }
        for message in messages:
            kind = RESOURCE_TYPE_BY_MESSAGE.get(message.DESCRIPTOR.full_name)
            if kind is None:
                raise ValueError(f"{message.DESCRIPTOR.full_name} is no kind of resource")
            resource = XdsResource.of(kind, message)
            if resource.name in found[kind]:
                raise ValueError(f"there are two of the name {resource.name!r}: {_describe_type(kind)}")
            found[kind][resource.name] = resource
        return cls(_freeze_resources(found), time.monotonic() if changed_at is None else changed_at)

    def plus(self, messages: Iterable[Message]) -> "Snapshot":
        """The same with further resources, without packing again what is here. Raises ValueError as `of`."""
        further = Snapshot.of(messages)
        both = {
            kind: {**self.of_kind(kind), **further.of_kind(kind)} for kind in RESOURCE_TYPES_IN_PUSH_ORDER
        }
        return Snapshot(_freeze_resources(both), further.changed_at)

    def of_kind(self, kind: ResourceType) -> ResourcesByName:
        """The resources of one kind, by name."""
        return self.resources.get(kind, MappingProxyType({}))

    def version(self, kind: ResourceType) -> str:
        """A hash of the content of all resources of one kind."""
        return self._versions[kind]

    @cached_property
    def _versions(self) -> Mapping[ResourceType, str]:
        return {kind: hash_versions(self.of_kind(kind)) for kind in RESOURCE_TYPES_IN_PUSH_ORDER}

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
                        yield (
                            f"{_describe_type(kind)} {resource.name!r} names "
                            f"{_describe_type(wanted)} {name!r}: there is none"
                        )


def _freeze_resources(
    found: Mapping[ResourceType, Mapping[str, XdsResource]],
) -> Mapping[ResourceType, ResourcesByName]:
    return MappingProxyType({kind: MappingProxyType(of_kind) for kind, of_kind in found.items()})


def hash_versions(resources: ResourcesByName) -> str:
    """A hash of names and versions, whatever their order."""
    return digest(f"{name}={resources[name].version}\n".encode() for name in sorted(resources))


def digest(parts: Iterable[bytes]) -> str:
    """A short hash, stable over processes."""
    state = blake2b(digest_size=_DIGEST_BYTES)
    for part in parts:
        state.update(part)
    return state.hexdigest()


def _describe_type(kind: ResourceType) -> str:
    return _RESOURCE_NOUNS.get(kind.label, kind.message)

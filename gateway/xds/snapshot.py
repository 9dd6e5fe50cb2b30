"""All resources of a node group at one moment."""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

from google.protobuf import any_pb2
from google.protobuf.message import Message

from gateway.xds.references import ResourceReference, canonicalize_message, find_references
from gateway.xds.resource_types import RESOURCE_TYPE_BY_MESSAGE, RESOURCE_TYPES_IN_PUSH_ORDER, ResourceType

if TYPE_CHECKING:
    from gateway.xds.subsets import NodeRankings

_DIGEST_BYTES = 8
_RESOURCE_NOUNS = {
    "cds": "cluster",
    "eds": "load assignment",
    "lds": "listener",
    "rds": "route configuration",
    "sds": "secret",
}


class InconsistentSnapshotError(Exception):
    """A resource names one that the snapshot lacks; the message lists all such names."""


@dataclass(frozen=True, slots=True)
class XdsResource:
    """One resource as it goes over the wire; its version is a hash of its content.

    A resource that a node kept from an earlier stream has no body: its name and version alone are known.
    """

    name: str
    version: str
    body: any_pb2.Any | None = field(default=None, repr=False, compare=False)
    references: frozenset[ResourceReference] = field(default=frozenset(), repr=False, compare=False)

    @classmethod
    def pack(cls, resource_type: ResourceType, message: Message) -> Self:
        """Pack a message of that type."""
        own = message
        if not resource_type.is_plain:
            own = type(message)()
            own.CopyFrom(message)
            canonicalize_message(own)
        body = any_pb2.Any(type_url=resource_type.type_url, value=own.SerializeToString(deterministic=True))
        references = frozenset[ResourceReference]() if resource_type.is_plain else find_references(own)
        return cls(resource_type.resource_name(own), hash_content([body.value]), body, references)


ResourcesByName = Mapping[str, XdsResource]


@dataclass(frozen=True)
class Snapshot:
    """Resources by type and name. `changed_at` is the time of the change behind it, in monotonic seconds."""

    resources: Mapping[ResourceType, ResourcesByName]
    changed_at: float = field(default_factory=time.monotonic, compare=False)

    @classmethod
    def from_messages(cls, messages: Iterable[Message], *, changed_at: float | None = None) -> Self:
        """Pack messages by their type. Raise ValueError for another type, or for two of one name."""
        found: dict[ResourceType, dict[str, XdsResource]] = {
            resource_type: {} for resource_type in RESOURCE_TYPES_IN_PUSH_ORDER
        }
        for message in messages:
            resource_type = RESOURCE_TYPE_BY_MESSAGE.get(message.DESCRIPTOR.full_name)
            if resource_type is None:
                raise ValueError(f"{message.DESCRIPTOR.full_name} is no kind of resource")
            resource = XdsResource.pack(resource_type, message)
            if resource.name in found[resource_type]:
                raise ValueError(
                    f"there are two of the name {resource.name!r}: {_describe_type(resource_type)}"
                )
            found[resource_type][resource.name] = resource
        return cls(_freeze_resources(found), time.monotonic() if changed_at is None else changed_at)

    def with_messages(self, messages: Iterable[Message]) -> "Snapshot":
        """Return a snapshot with further resources; those of this one are not packed again.

        Raises ValueError as `from_messages` does.
        """
        further = Snapshot.from_messages(messages)
        both = {
            resource_type: {**self.resources_of(resource_type), **further.resources_of(resource_type)}
            for resource_type in RESOURCE_TYPES_IN_PUSH_ORDER
        }
        return Snapshot(_freeze_resources(both), further.changed_at)

    def for_node(self, _rankings: "NodeRankings") -> "Snapshot":
        """Return the snapshot as a node gets it: here the same for all nodes."""
        return self

    def resources_of(self, resource_type: ResourceType) -> ResourcesByName:
        """Return the resources of one type, by name."""
        return self.resources.get(resource_type, MappingProxyType({}))

    def version(self, resource_type: ResourceType) -> str:
        """Return a hash of the content of all resources of one type."""
        return self._versions[resource_type]

    @cached_property
    def _versions(self) -> Mapping[ResourceType, str]:
        return {
            resource_type: hash_versions(self.resources_of(resource_type))
            for resource_type in RESOURCE_TYPES_IN_PUSH_ORDER
        }

    def check_consistency(self) -> None:
        """Raise InconsistentSnapshotError when a resource names one that the snapshot lacks."""
        dangling = sorted(self._dangling_references())
        if dangling:
            raise InconsistentSnapshotError("; ".join(dangling))

    def _dangling_references(self) -> Iterator[str]:
        for resource_type, resources in self.resources.items():
            for resource in resources.values():
                for wanted, name in resource.references:
                    if name not in self.resources_of(wanted):
                        yield (
                            f"{_describe_type(resource_type)} {resource.name!r} names "
                            f"{_describe_type(wanted)} {name!r}: there is none"
                        )


def _freeze_resources(
    found: Mapping[ResourceType, Mapping[str, XdsResource]],
) -> Mapping[ResourceType, ResourcesByName]:
    return MappingProxyType(
        {resource_type: MappingProxyType(resources_of) for resource_type, resources_of in found.items()}
    )


def hash_versions(resources: ResourcesByName) -> str:
    """Return a hash of names and versions, independent of their order."""
    return hash_content(f"{name}={resources[name].version}\n".encode() for name in sorted(resources))


def hash_content(parts: Iterable[bytes]) -> str:
    """Return a short hash that is the same in all processes."""
    state = blake2b(digest_size=_DIGEST_BYTES)
    for part in parts:
        state.update(part)
    return state.hexdigest()


def _describe_type(resource_type: ResourceType) -> str:
    return _RESOURCE_NOUNS.get(resource_type.label, resource_type.message)

"""Snapshots in which each node has load assignments of its own."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Self

from gateway.xds.resource_types import ENDPOINT_TYPE, ResourceType
from gateway.xds.snapshot import ResourcesByName, Snapshot, XdsResource
from gateway.xds.subsets import NodeRankings, SubsetAssignment


@dataclass(frozen=True)
class SubsetSnapshot(Snapshot):
    """A snapshot of a node group, with `subsets` in place of the load assignments that differ by node.

    Here such a load assignment has a version, which is a hash of all endpoints, and no body.
    """

    subsets: Mapping[str, SubsetAssignment] = field(
        default_factory=lambda: MappingProxyType({}), compare=False, repr=False
    )

    @classmethod
    def from_snapshot(cls, snapshot: Snapshot, subsets: Mapping[str, SubsetAssignment]) -> Self:
        """Return a snapshot with these in place of the load assignments of the same names."""
        own = {name: XdsResource(name, subset.version) for name, subset in subsets.items()}
        resources = {**snapshot.resources, ENDPOINT_TYPE: {**snapshot.resources_of(ENDPOINT_TYPE), **own}}
        return cls(MappingProxyType(resources), snapshot.changed_at, dict(subsets))

    def for_node(self, rankings: NodeRankings) -> Snapshot:
        """Return the snapshot of a node: its load assignments are built when they are first asked for."""
        own = _NodeAssignments(self.resources_of(ENDPOINT_TYPE), self.subsets, rankings)
        return _NodeSnapshot({**self.resources, ENDPOINT_TYPE: own}, self.changed_at, self)


@dataclass(frozen=True)
class _NodeSnapshot(Snapshot):
    """The snapshot of one node; its versions are those of its group."""

    group_snapshot: Snapshot | None = field(default=None, compare=False, repr=False)

    def version(self, resource_type: ResourceType) -> str:
        assert self.group_snapshot is not None
        return self.group_snapshot.version(resource_type)


class _NodeAssignments(Mapping[str, XdsResource]):
    """The load assignments of one node; those of sub-sets are built when they are first asked for."""

    def __init__(
        self, shared: ResourcesByName, subsets: Mapping[str, SubsetAssignment], rankings: NodeRankings
    ) -> None:
        self._shared = shared
        self._subsets = subsets
        self._rankings = rankings
        self._built: dict[str, XdsResource] = {}

    def __getitem__(self, name: str) -> XdsResource:
        subset = self._subsets.get(name)
        if subset is None:
            return self._shared[name]
        if name not in self._built:
            self._built[name] = subset.build(self._rankings)
        return self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._shared)

    def __len__(self) -> int:
        return len(self._shared)

    def __contains__(self, name: object) -> bool:
        return name in self._shared

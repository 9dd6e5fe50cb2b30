"""The port to the builders of snapshots, and their common base."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from chassis.contracts import Contracts
from gateway.xds.endpoints import Endpoint
from gateway.xds.load_assignment import build_load_assignment
from gateway.xds.mesh import Mesh
from gateway.xds.snapshot import Snapshot

StaticInputs = TypeVar("StaticInputs", bound=tuple[Any, ...])


class SnapshotBuilder(Protocol):
    """Builds the snapshot of a node group in a region. It keeps and changes none of its inputs."""

    def build(
        self,
        group: str,
        region: str,
        contracts: Contracts,
        mesh: Mesh,
        endpoints: Mapping[str, Sequence[Endpoint]],
    ) -> Snapshot:
        """Build a snapshot. Raise ValueError, KeyError or ParseError where the inputs make none."""
        ...


class CachedSnapshotBuilder(ABC, Generic[StaticInputs]):
    """Adds load assignments to a static part, which it builds again only when its inputs change.

    Endpoints change far more often than contracts and mesh.
    """

    def __init__(self) -> None:
        self._cached: dict[str, tuple[StaticInputs, Snapshot]] = {}

    def build(
        self,
        _group: str,
        region: str,
        contracts: Contracts,
        mesh: Mesh,
        endpoints: Mapping[str, Sequence[Endpoint]],
    ) -> Snapshot:
        assignments = [
            build_load_assignment(name, mesh.regions_by_preference(region), endpoints.get(name, ()))
            for name in sorted(mesh.services)
        ]
        return self._static_part(region, contracts, mesh).with_messages(assignments)

    @abstractmethod
    def _static_inputs(self, region: str, contracts: Contracts, mesh: Mesh) -> StaticInputs:
        """Return what the static part is built from."""

    @abstractmethod
    def _build_static(self, inputs: StaticInputs) -> Snapshot:
        """Build the snapshot without load assignments."""

    def _cache_key(self, region: str) -> str:
        """Return the key that regions with the same static part share."""
        return region

    def _static_part(self, region: str, contracts: Contracts, mesh: Mesh) -> Snapshot:
        key, inputs = self._cache_key(region), self._static_inputs(region, contracts, mesh)
        cached = self._cached.get(key)
        if cached is None or cached[0] != inputs:
            cached = self._cached[key] = (inputs, self._build_static(inputs))
        return cached[1]

"""Keeps the cache's snapshots in step with contracts, mesh file and endpoints."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from google.protobuf.json_format import ParseError

from chassis.contracts import ContractError, Contracts
from chassis.observability.logging import get_logger
from chassis.readiness import ReadinessCheck
from gateway.control_plane import metrics
from gateway.control_plane.endpoint_aggregator import EndpointAggregator
from gateway.control_plane.kubernetes.access import KubernetesAccess
from gateway.control_plane.pacing import RateGate
from gateway.control_plane.snapshot_cache import SnapshotCache
from gateway.control_plane.watched_file import WatchedFile
from gateway.xds.endpoints import EndpointsByService
from gateway.xds.load_assignment import select_usable_endpoints
from gateway.xds.mesh import Mesh
from gateway.xds.nodes import NodeGroup
from gateway.xds.snapshot import InconsistentSnapshotError, Snapshot
from gateway.xds.snapshot_builder import SnapshotBuilder
from gateway.xds.subset_snapshot import SubsetSnapshot
from gateway.xds.subsets import ServicePools, SubsetAssignment

DEBOUNCE_S: Final = 0.02
"""Changes within this time, such as those of a restart, make one snapshot."""
MAX_BUILDS_PER_S: Final = 4.0
BUILD_BURST: Final = 20
"""Twenty changes take effect at once; a flood that goes on is merged into a few builds a second."""
FAULT_EXPIRY_POLL_INTERVAL_S: Final = 0.25

_log = get_logger()


class Reconciler:
    """Builds snapshots for each group and region whenever something changes, and publishes them.

    When a build fails or is inconsistent, the previous snapshots stay published.
    """

    def __init__(
        self,
        cache: SnapshotCache,
        builders: Mapping[str, SnapshotBuilder],
        mesh: WatchedFile[Mesh],
        contracts: WatchedFile[Contracts],
        registry: Path,
        *,
        kubernetes: Callable[[], KubernetesAccess] = KubernetesAccess.of_own_pod,
    ) -> None:
        self._cache = cache
        self._builders = builders
        self._mesh = mesh
        self._contracts = contracts
        self._aggregator = EndpointAggregator(registry, self.mark_dirty, kubernetes)
        self._dirty = asyncio.Event()
        self._changed_at = 0.0
        self._build_gate = RateGate(MAX_BUILDS_PER_S, BUILD_BURST)
        self._pools: dict[str, ServicePools] = {}
        self._active_mesh = mesh.value
        self._build_error = ""
        metrics.build_errors.inc(0)

    def mark_dirty(self) -> None:
        """Note a change: new snapshots are built within DEBOUNCE_S."""
        if not self._dirty.is_set():
            self._changed_at = time.monotonic()
            self._dirty.set()

    async def reconcile_forever(self) -> None:
        """Publish snapshots until cancelled."""
        self._aggregator.set_mesh(self._mesh.value)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch_mesh())
                tasks.create_task(self._watch_contracts())
                tasks.create_task(self._publish_changes())
                tasks.create_task(self._expire_faults())
        finally:
            await self._aggregator.close()

    def checks(self) -> list[ReadinessCheck]:
        """Return one check: all sources have answered and the newest state builds."""
        probes = {"sources": self._check_sources, "snapshots": self._check_snapshots}
        return [ReadinessCheck(name, ask, name) for name, ask in probes.items()]

    async def _check_sources(self) -> None:
        unanswered = self._aggregator.unanswered_services()
        if unanswered:
            raise ConnectionError(f"no answer yet about {', '.join(unanswered)}")

    async def _check_snapshots(self) -> None:
        if self._build_error:
            raise ValueError(self._build_error)
        if not self._cache.snapshots:
            raise ValueError("there is none yet")

    async def _watch_mesh(self) -> None:
        async for mesh in self._mesh.watch_values():
            self._aggregator.set_mesh(mesh)

    async def _watch_contracts(self) -> None:
        async for _ in self._contracts.watch_values():
            self.mark_dirty()

    async def _expire_faults(self) -> None:
        """End faults at their time, even when the process that set them is gone."""
        while True:
            await asyncio.sleep(FAULT_EXPIRY_POLL_INTERVAL_S)
            now = time.time()
            if any(fault.is_expired(now) for fault in self._active_mesh.faults.values()):
                self.mark_dirty()

    async def _publish_changes(self) -> None:
        while True:
            await self._dirty.wait()
            await asyncio.sleep(DEBOUNCE_S + self._build_gate.take())
            self._dirty.clear()
            began = time.monotonic()
            self._publish()
            metrics.build_seconds.observe(time.monotonic() - began)

    def _publish(self) -> None:
        endpoints = self._aggregator.endpoints()
        if endpoints is None:
            return
        try:
            snapshots = self._build(endpoints)
        except (InconsistentSnapshotError, ContractError, ParseError, ValueError, KeyError) as error:
            self._report_build_error(error)
            return
        self._build_error = ""
        self._cache.set_snapshots(snapshots, self._active_mesh.regions)
        self._export_endpoint_counts(endpoints)

    def _build(self, endpoints: EndpointsByService) -> dict[NodeGroup, Snapshot]:
        self._active_mesh = mesh = self._mesh.value.without_expired_faults(time.time())
        contracts = self._contracts.value
        pools = self._subset_pools(mesh, endpoints)
        shared = {name: found for name, found in endpoints.items() if name not in pools}
        snapshots = {}
        for group, builder in self._builders.items():
            for region in mesh.regions:
                built = builder.build(group, region, contracts, mesh, shared)
                built.check_consistency()
                regions = mesh.regions_by_preference(region)
                subsets = {name: SubsetAssignment(each, regions) for name, each in pools.items()}
                whole = SubsetSnapshot.from_snapshot(built, subsets) if subsets else built
                snapshots[NodeGroup(group, region)] = replace(whole, changed_at=self._changed_at)
        return snapshots

    def _subset_pools(self, mesh: Mesh, endpoints: EndpointsByService) -> dict[str, ServicePools]:
        """Return the services of which a node gets a part only."""
        max_endpoints = mesh.subsets.max_endpoints
        large = {name: found for name, found in endpoints.items() if len(found) > max_endpoints}
        self._pools = {name: self._pools.get(name) or ServicePools(name) for name in large}
        for name, pool in self._pools.items():
            pool.set_endpoints(large[name], max_endpoints)
        return self._pools

    def _report_build_error(self, error: Exception) -> None:
        """Log each error once, however often the build is repeated."""
        metrics.build_errors.inc()
        problem = f"{type(error).__name__}: {error}"
        if problem != self._build_error:
            _log.error("snapshot build failed; previous snapshots stay published", problem=problem)
        self._build_error = problem

    def _export_endpoint_counts(self, endpoints: EndpointsByService) -> None:
        metrics.mesh_info.clear()
        metrics.mesh_info.labels(self._mesh.digest).set(1)
        metrics.endpoints.clear()
        for service, found in endpoints.items():
            counts = Counter(one.region for one in select_usable_endpoints(found))
            for region in {*self._active_mesh.regions, *counts}:
                metrics.endpoints.labels(service, region).set(counts[region])

"""Keeps the hub's snapshots as the contracts, the mesh file and the endpoints are."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from google.protobuf.json_format import ParseError

from chassis.contracts import ContractError, Contracts
from chassis.observability.logging import get_logger
from chassis.readiness import ReadinessCheck
from gateway.control_plane import metrics
from gateway.control_plane.endpoint_aggregator import EndpointAggregator
from gateway.control_plane.snapshot_cache import NodeGroup, SnapshotCache
from gateway.control_plane.watched_file import WatchedFile
from gateway.xds.endpoints import EndpointsByService
from gateway.xds.load_assignment import select_usable_endpoints
from gateway.xds.mesh import Mesh
from gateway.xds.snapshot import InconsistentSnapshotError, Snapshot
from gateway.xds.snapshot_builder import SnapshotBuilder

DEBOUNCE_S: Final = 0.02
"""Changes that come together, as those of a restart do, are taken over together."""
FAULT_EXPIRY_POLL_INTERVAL_S: Final = 0.25

_log = get_logger()


class Reconciler:
    """Builds snapshots for each group and region whenever something changes, and publishes them.

    What cannot be built, or does not hold together, leaves what was published before.
    """

    def __init__(
        self,
        hub: SnapshotCache,
        builders: Mapping[str, SnapshotBuilder],
        mesh: WatchedFile[Mesh],
        contracts: WatchedFile[Contracts],
        registry: Path,
    ) -> None:
        self._hub = hub
        self._builders = builders
        self._mesh = mesh
        self._contracts = contracts
        self._gatherer = EndpointAggregator(registry, self.changed)
        self._dirty = asyncio.Event()
        self._changed_at = 0.0
        self._in_force = mesh.value
        self._problem = ""
        metrics.build_errors.inc(0)

    def changed(self) -> None:
        """Something is different: snapshots are built anew, soon."""
        if not self._dirty.is_set():
            self._changed_at = time.monotonic()
            self._dirty.set()

    async def run(self) -> None:
        """Goes on until cancelled."""
        self._gatherer.follow(self._mesh.value)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow_mesh())
                tasks.create_task(self._follow_contracts())
                tasks.create_task(self._keep_published())
                tasks.create_task(self._end_faults())
        finally:
            await self._gatherer.close()

    def checks(self) -> list[ReadinessCheck]:
        """All sources have to have answered, and the newest state has to make snapshots."""
        asked = {"sources": self._ask_sources, "snapshots": self._ask_snapshots}
        return [ReadinessCheck(name, ask, name) for name, ask in asked.items()]

    async def _ask_sources(self) -> None:
        missing = self._gatherer.missing()
        if missing:
            raise ConnectionError(f"no answer yet about {', '.join(missing)}")

    async def _ask_snapshots(self) -> None:
        if self._problem:
            raise ValueError(self._problem)
        if not self._hub.snapshots:
            raise ValueError("there is none yet")

    async def _follow_mesh(self) -> None:
        async for mesh in self._mesh.changes():
            self._gatherer.follow(mesh)

    async def _follow_contracts(self) -> None:
        async for _ in self._contracts.changes():
            self.changed()

    async def _end_faults(self) -> None:
        """Faults that have a time to end do so whether or not whoever set them is still there."""
        while True:
            await asyncio.sleep(FAULT_EXPIRY_POLL_INTERVAL_S)
            now = time.time()
            if any(fault.is_over(now) for fault in self._in_force.faults.values()):
                self.changed()

    async def _keep_published(self) -> None:
        while True:
            await self._dirty.wait()
            await asyncio.sleep(DEBOUNCE_S)
            self._dirty.clear()
            self._publish()

    def _publish(self) -> None:
        endpoints = self._gatherer.endpoints()
        if endpoints is None:
            return
        try:
            snapshots = self._build(endpoints)
        except (InconsistentSnapshotError, ContractError, ParseError, ValueError, KeyError) as error:
            self._refuse(error)
            return
        self._problem = ""
        self._hub.publish(snapshots, self._in_force.regions)
        self._count(endpoints)

    def _build(self, endpoints: EndpointsByService) -> dict[NodeGroup, Snapshot]:
        self._in_force = mesh = self._mesh.value.at(time.time())
        contracts = self._contracts.value
        snapshots = {}
        for group, builder in self._builders.items():
            for region in mesh.regions:
                built = builder.build(group, region, contracts, mesh, endpoints)
                built.refuse_inconsistency()
                snapshots[group, region] = replace(built, changed_at=self._changed_at)
        return snapshots

    def _refuse(self, error: Exception) -> None:
        """Told once for each problem, however often something else changes meanwhile."""
        metrics.build_errors.inc()
        problem = f"{type(error).__name__}: {error}"
        if problem != self._problem:
            _log.error("no snapshot can be made of this; what was published stays", problem=problem)
        self._problem = problem

    def _count(self, endpoints: EndpointsByService) -> None:
        metrics.mesh_info.clear()
        metrics.mesh_info.labels(self._mesh.digest).set(1)
        metrics.endpoints.clear()
        for service, found in endpoints.items():
            for region in self._in_force.regions:
                metrics.endpoints.labels(service, region)
            for one in select_usable_endpoints(found):
                metrics.endpoints.labels(service, one.region).inc()

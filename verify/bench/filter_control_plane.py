"""A control plane of all variants of the gateway's configuration, in a process of its own.

`python -m verify.bench.filter_control_plane PLAN`, with the plan as JSON. It builds the snapshots as the
stack's does, from its mesh file and contracts, for one region for each variant.
"""

import asyncio
import json
import signal
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import uvloop

from chassis.contracts import Contracts
from devstack.paths import DESCRIPTORS
from devstack.topology_parts import LOOPBACK
from gateway.control_plane.server import build_xds_server
from gateway.control_plane.snapshot_cache import SnapshotCache
from gateway.envoy.edge_config import EdgeConfig
from gateway.envoy.snapshot_builder import GatewaySnapshotBuilder
from gateway.xds.endpoints import Endpoint
from gateway.xds.mesh import Mesh
from gateway.xds.nodes import GATEWAY_GROUP, NodeGroup
from gateway.xds.snapshot import Snapshot
from verify.bench.child_process import module_command
from verify.bench.filter_variants import VariantSnapshotBuilder


@dataclass(frozen=True)
class FilterPlan:
    """Ports on this machine: of the control plane, the limiter, each service and each variant's Envoy.

    `mesh` is the mesh file of a stack, whose other settings hold.
    """

    mesh: str
    port: int
    limiter: int
    services: Mapping[str, int]
    listen: Mapping[str, int]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the plan in a process's argument."""
        return cls(**json.loads(text))

    @property
    def command(self) -> list[str]:
        """The command that serves it."""
        return [*module_command(__name__), json.dumps(asdict(self))]


def build_variants(plan: FilterPlan, mesh: Mesh, contracts: Contracts) -> dict[NodeGroup, Snapshot]:
    """Return the snapshot of each variant, whose name is that of the region."""
    listen = {variant: f"{LOOPBACK}:{port}" for variant, port in plan.listen.items()}
    limiter = f"{LOOPBACK}:{plan.limiter}"
    gateway = mesh.gateway.model_copy(
        update={"listen": listen, "rate_limits": limiter, "view_log": None, "tls": None}
    )
    changed = mesh.model_copy(update={"regions": tuple(listen), "gateway": gateway})
    edge = EdgeConfig((LOOPBACK, 0))
    builder = VariantSnapshotBuilder(GatewaySnapshotBuilder(lambda: edge))
    return {
        NodeGroup(GATEWAY_GROUP, variant): builder.build(
            GATEWAY_GROUP, variant, contracts, changed, _endpoints(plan, variant)
        )
        for variant in listen
    }


def _endpoints(plan: FilterPlan, region: str) -> dict[str, tuple[Endpoint, ...]]:
    return {service: (Endpoint(LOOPBACK, port, region),) for service, port in plan.services.items()}


async def _serve(plan: FilterPlan, snapshots: Mapping[NodeGroup, Snapshot]) -> None:
    cache = SnapshotCache()
    cache.set_snapshots(snapshots, list(plan.listen))
    server = build_xds_server(cache)
    server.add_insecure_port(f"{LOOPBACK}:{plan.port}")
    await server.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await server.stop(0)


def main() -> None:
    """Serve the plan until SIGTERM."""
    plan = FilterPlan.parse(sys.argv[1])
    mesh = Mesh.parse(Path(plan.mesh).read_bytes())
    snapshots = build_variants(plan, mesh, Contracts.from_descriptor_set(DESCRIPTORS.read_bytes()))
    uvloop.run(_serve(plan, snapshots))


if __name__ == "__main__":
    main()

"""The snapshots of the node group `gateway`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from chassis.contracts import Contracts
from gateway.envoy.clusters import build_clusters, parse_host_port
from gateway.envoy.edge_config import EdgeConfig
from gateway.envoy.listener import build_edge_listener, build_origin_listener
from gateway.envoy.routes import build_edge_routes, build_origin_routes
from gateway.envoy_types import Cluster, ClusterLoadAssignment, Listener, RouteConfiguration, parse_message
from gateway.xds.endpoints import Endpoint
from gateway.xds.mesh import Mesh
from gateway.xds.snapshot import Snapshot
from gateway.xds.snapshot_builder import build_load_assignment


class GatewaySnapshotBuilder:
    """Builds for one edge in all regions. `edge` is asked each time: its pages may change."""

    def __init__(self, edge: Callable[[], EdgeConfig]) -> None:
        self._edge = edge
        self._fixed: dict[str, tuple[Contracts, Mesh, EdgeConfig, Snapshot]] = {}

    def build(
        self,
        _group: str,
        region: str,
        contracts: Contracts,
        mesh: Mesh,
        endpoints: Mapping[str, Sequence[Endpoint]],
    ) -> Snapshot:
        assignments = [
            build_load_assignment(name, region, mesh, endpoints.get(name, ()))
            for name in sorted(mesh.services)
        ]
        fixed = self._without_endpoints(
            region, contracts, mesh, _edge_config_for_region(region, mesh, self._edge())
        )
        return fixed.plus(parse_message(each, ClusterLoadAssignment) for each in assignments)

    def _without_endpoints(self, region: str, contracts: Contracts, mesh: Mesh, edge: EdgeConfig) -> Snapshot:
        """Endpoints change far more often than all else, which is therefore kept."""
        kept = self._fixed.get(region)
        if kept is None or kept[:3] != (contracts, mesh, edge):
            kept = self._fixed[region] = (contracts, mesh, edge, _static_snapshot(contracts, mesh, edge))
        return kept[3]


def _edge_config_for_region(region: str, mesh: Mesh, edge: EdgeConfig) -> EdgeConfig:
    elsewhere = mesh.gateway.listen.get(region)
    return replace(edge, listen=parse_host_port(elsewhere)) if elsewhere else edge


def _static_snapshot(contracts: Contracts, mesh: Mesh, edge: EdgeConfig) -> Snapshot:
    return Snapshot.of(
        [
            *(parse_message(each, Cluster) for each in build_clusters(mesh, edge)),
            parse_message(build_edge_listener(contracts, mesh, edge), Listener),
            parse_message(build_origin_listener(contracts, mesh, edge), Listener),
            parse_message(build_edge_routes(contracts, mesh, edge), RouteConfiguration),
            parse_message(build_origin_routes(contracts, mesh), RouteConfiguration),
        ]
    )

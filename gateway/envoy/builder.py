"""The snapshots of the node group `gateway`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from chassis.contracts import Contracts
from gateway.control_plane.builder import load_assignment
from gateway.control_plane.endpoints import Endpoint
from gateway.control_plane.mesh import Mesh
from gateway.control_plane.snapshot import Snapshot
from gateway.envoy.clusters import clusters, host_and_port
from gateway.envoy.edge import Edge
from gateway.envoy.listener import edge_listener, origin_listener
from gateway.envoy.routes import edge_routes, origin_routes
from gateway.envoy_types import Cluster, ClusterLoadAssignment, Listener, RouteConfiguration, parsed


class GatewayBuilder:
    """Builds for one edge in all regions. `edge` is asked each time: its pages may change."""

    def __init__(self, edge: Callable[[], Edge]) -> None:
        self._edge = edge
        self._fixed: dict[str, tuple[Contracts, Mesh, Edge, Snapshot]] = {}

    def build(
        self,
        _group: str,
        region: str,
        contracts: Contracts,
        mesh: Mesh,
        endpoints: Mapping[str, Sequence[Endpoint]],
    ) -> Snapshot:
        assignments = [
            load_assignment(name, region, mesh, endpoints.get(name, ())) for name in sorted(mesh.services)
        ]
        fixed = self._without_endpoints(region, contracts, mesh, _edge_in(region, mesh, self._edge()))
        return fixed.plus(parsed(each, ClusterLoadAssignment) for each in assignments)

    def _without_endpoints(self, region: str, contracts: Contracts, mesh: Mesh, edge: Edge) -> Snapshot:
        """Endpoints change far more often than all else, which is therefore kept."""
        kept = self._fixed.get(region)
        if kept is None or kept[:3] != (contracts, mesh, edge):
            kept = self._fixed[region] = (contracts, mesh, edge, _fixed(contracts, mesh, edge))
        return kept[3]


def _edge_in(region: str, mesh: Mesh, edge: Edge) -> Edge:
    elsewhere = mesh.gateway.listen.get(region)
    return replace(edge, listen=host_and_port(elsewhere)) if elsewhere else edge


def _fixed(contracts: Contracts, mesh: Mesh, edge: Edge) -> Snapshot:
    return Snapshot.of(
        [
            *(parsed(each, Cluster) for each in clusters(mesh, edge)),
            parsed(edge_listener(contracts, mesh, edge), Listener),
            parsed(origin_listener(contracts, mesh, edge), Listener),
            parsed(edge_routes(contracts, mesh, edge), RouteConfiguration),
            parsed(origin_routes(contracts, mesh), RouteConfiguration),
        ]
    )

"""The snapshots of the node group `gateway`."""

from collections.abc import Callable, Mapping, Sequence

from chassis.contracts import Contracts
from gateway.control_plane.builder import load_assignment
from gateway.control_plane.endpoints import Endpoint
from gateway.control_plane.mesh import Mesh
from gateway.control_plane.snapshot import Snapshot
from gateway.envoy.clusters import clusters
from gateway.envoy.edge import Edge
from gateway.envoy.listener import listener
from gateway.envoy.routes import route_configuration
from gateway.envoy_types import Cluster, ClusterLoadAssignment, Listener, RouteConfiguration, parsed


class GatewayBuilder:
    """Builds for one edge. `edge` is asked each time: its pages may change."""

    def __init__(self, edge: Callable[[], Edge]) -> None:
        self._edge = edge
        self._fixed: tuple[Contracts, Mesh, Edge, Snapshot] | None = None

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
        fixed = self._without_endpoints(contracts, mesh, self._edge())
        return fixed.plus(parsed(each, ClusterLoadAssignment) for each in assignments)

    def _without_endpoints(self, contracts: Contracts, mesh: Mesh, edge: Edge) -> Snapshot:
        """Endpoints change far more often than all else, which is therefore kept."""
        if self._fixed is None or self._fixed[:3] != (contracts, mesh, edge):
            self._fixed = (contracts, mesh, edge, _fixed(contracts, mesh, edge))
        return self._fixed[3]


def _fixed(contracts: Contracts, mesh: Mesh, edge: Edge) -> Snapshot:
    return Snapshot.of(
        [
            *(parsed(each, Cluster) for each in clusters(mesh, edge)),
            parsed(listener(contracts, mesh, edge), Listener),
            parsed(route_configuration(contracts, edge), RouteConfiguration),
        ]
    )

"""The snapshots of the node group `gateway`."""

from collections.abc import Callable
from dataclasses import replace

from chassis.contracts import Contracts
from gateway.envoy.clusters import build_clusters, parse_host_port
from gateway.envoy.edge_config import EdgeConfig
from gateway.envoy.listener import (
    build_edge_listener,
    build_gateway_secret,
    build_origin_listener,
    build_quota_listeners,
)
from gateway.envoy.routes import build_edge_routes, build_origin_routes
from gateway.envoy_types import Cluster, Listener, RouteConfiguration, Secret, parse_message
from gateway.xds.mesh import Mesh
from gateway.xds.mutual_tls import build_mesh_secrets
from gateway.xds.snapshot import Snapshot
from gateway.xds.snapshot_builder import CachedSnapshotBuilder


class GatewaySnapshotBuilder(CachedSnapshotBuilder[tuple[Contracts, Mesh, EdgeConfig]]):
    """Builds for one edge in all regions.

    It reads the edge's configuration each time, as pages may change.
    """

    def __init__(self, current_edge_config: Callable[[], EdgeConfig]) -> None:
        super().__init__()
        self._current_edge_config = current_edge_config

    def _static_inputs(
        self, region: str, contracts: Contracts, mesh: Mesh
    ) -> tuple[Contracts, Mesh, EdgeConfig]:
        edge_config = _edge_config_for_region(region, mesh, self._current_edge_config())
        return contracts, mesh, edge_config

    def _build_static(self, inputs: tuple[Contracts, Mesh, EdgeConfig]) -> Snapshot:
        contracts, mesh, edge_config = inputs
        return Snapshot.from_messages(
            [
                *(parse_message(each, Cluster) for each in build_clusters(mesh, edge_config)),
                parse_message(build_edge_listener(contracts, mesh, edge_config), Listener),
                parse_message(build_origin_listener(contracts, mesh, edge_config), Listener),
                *(
                    parse_message(each, Listener)
                    for each in (build_quota_listeners(contracts) if mesh.gateway.rate_limits else ())
                ),
                *(
                    parse_message(build_gateway_secret(files), Secret)
                    for files in ([mesh.gateway.tls] if mesh.gateway.tls else ())
                ),
                *(parse_message(each, Secret) for each in (build_mesh_secrets(mesh.tls) if mesh.tls else ())),
                parse_message(build_edge_routes(contracts, mesh, edge_config), RouteConfiguration),
                parse_message(build_origin_routes(contracts, mesh, edge_config), RouteConfiguration),
            ]
        )


def _edge_config_for_region(region: str, mesh: Mesh, edge_config: EdgeConfig) -> EdgeConfig:
    elsewhere = mesh.gateway.listen.get(region)
    return replace(edge_config, listen=parse_host_port(elsewhere)) if elsewhere else edge_config

"""The snapshots of the node group `services`: xDS for gRPC channels between services, without a proxy."""

from collections.abc import Iterable
from typing import Any, Final

from chassis.contracts import Contracts, RpcSpec
from gateway import envoy_types
from gateway.api_surface import service_of
from gateway.envoy_types import Cluster, Listener, RouteConfiguration, parse_message, typed_extension
from gateway.xds.config import RETRY_SETTINGS, ads_config_source, format_duration
from gateway.xds.fault_filter import FAULT_FILTER, grpc_fault_settings
from gateway.xds.mesh import Mesh, OutlierDetection, ServiceFault
from gateway.xds.mutual_tls import grpc_transport_socket
from gateway.xds.snapshot import Snapshot
from gateway.xds.snapshot_builder import CachedSnapshotBuilder

# gRPC for Python measures such a duration from up to two seconds before the call began. Our own callers set
# their deadline from the contract themselves; this one is for others.
DEADLINE_MARGIN_S: Final = 2.0


class ProxylessSnapshotBuilder(CachedSnapshotBuilder[tuple[Contracts, Mesh]]):
    """Per service: a listener of its name, a route for each of its RPCs, a cluster and its endpoints."""

    def _cache_key(self, region: str) -> str:
        return "all regions"

    def _static_inputs(self, region: str, contracts: Contracts, mesh: Mesh) -> tuple[Contracts, Mesh]:
        return contracts, mesh

    def _build_static(self, inputs: tuple[Contracts, Mesh]) -> Snapshot:
        contracts, mesh = inputs
        names = sorted(mesh.services)
        return Snapshot.from_messages(
            [
                *(parse_message(_listener(name, mesh.faults.get(name)), Listener) for name in names),
                *(parse_message(_routes(name, contracts.rpcs), RouteConfiguration) for name in names),
                *(parse_message(_cluster(name, mesh), Cluster) for name in names),
            ]
        )


def _listener(name: str, fault: ServiceFault | None) -> dict[str, Any]:
    faults = [] if fault is None else [{"name": FAULT_FILTER, "typed_config": grpc_fault_settings(fault)}]
    manager = {
        "@type": envoy_types.HTTP_CONNECTION_MANAGER,
        "stat_prefix": name,
        "rds": {"route_config_name": name, "config_source": ads_config_source()},
        "http_filters": [*faults, typed_extension("envoy.filters.http.router", envoy_types.ROUTER)],
    }
    return {"name": name, "api_listener": {"api_listener": manager}}


def _routes(name: str, rpcs: Iterable[RpcSpec]) -> dict[str, Any]:
    calls = [_route(rpc) for rpc in rpcs if service_of(rpc) == name]
    return {"name": name, "virtual_hosts": [{"name": name, "domains": ["*"], "routes": calls}]}


def _route(rpc: RpcSpec) -> dict[str, Any]:
    action: dict[str, Any] = {"cluster": service_of(rpc)}
    if rpc.policy.deadline_ms:
        longest = format_duration(rpc.policy.deadline_ms / 1000 + DEADLINE_MARGIN_S)
        action["max_stream_duration"] = {"max_stream_duration": longest}
    if rpc.is_repeatable:
        action["retry_policy"] = _retry_policy()
    return {"match": {"path": rpc.path}, "route": action}


def _retry_policy() -> dict[str, Any]:
    return {
        "retry_on": "unavailable",
        **RETRY_SETTINGS,
    }


def _cluster(name: str, mesh: Mesh) -> dict[str, Any]:
    return {
        "name": name,
        "type": "EDS",
        "eds_cluster_config": {"eds_config": ads_config_source()},
        "lb_policy": "ROUND_ROBIN",
        "circuit_breakers": {"thresholds": [{"max_requests": mesh.limits_for(name).max_requests}]},
        "outlier_detection": _outlier_detection(mesh.outlier_detection),
        **(grpc_transport_socket(name) if mesh.tls else {}),
    }


def _outlier_detection(figures: OutlierDetection) -> dict[str, Any]:
    """Return ejection by the share of failures alone: comparing success rates needs more endpoints."""
    return {
        "interval": format_duration(figures.interval_s),
        "base_ejection_time": format_duration(figures.base_ejection_s),
        "max_ejection_time": format_duration(figures.max_ejection_s),
        "max_ejection_percent": round(figures.max_ejection_percent),
        "failure_percentage_threshold": round(figures.failure_percent),
        "failure_percentage_minimum_hosts": figures.minimum_hosts,
        "failure_percentage_request_volume": figures.request_volume,
        "enforcing_failure_percentage": 100,
        "enforcing_success_rate": 0,
    }

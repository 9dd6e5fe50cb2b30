"""The snapshots of the node group `services`: what gRPC itself obeys when services call each other."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from chassis.contracts import Contracts, RpcSpec
from gateway import envoy_types as types
from gateway.control_plane.builder import RETRIES, load_assignment, over_ads, seconds
from gateway.control_plane.endpoints import Endpoint
from gateway.control_plane.faults import FILTER, among_services
from gateway.control_plane.mesh import Fault, Mesh, OutlierDetection
from gateway.control_plane.snapshot import Snapshot
from gateway.envoy_types import (
    Cluster,
    ClusterLoadAssignment,
    Listener,
    RouteConfiguration,
    extension,
    parsed,
)
from gateway.surface import room_of

# gRPC for Python counts such a duration from one to two seconds before the call began. Our own callers set
# their deadline from the contract themselves; this one is for those who set none.
EARLY_S: Final = 2.0


class ProxylessBuilder:
    """Per service: a listener of its name, a route for each of its calls, a cluster and its endpoints."""

    def __init__(self) -> None:
        self._fixed: tuple[Contracts, Mesh, Snapshot] | None = None

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
        fixed = self._without_endpoints(contracts, mesh)
        return fixed.plus(parsed(each, ClusterLoadAssignment) for each in assignments)

    def _without_endpoints(self, contracts: Contracts, mesh: Mesh) -> Snapshot:
        if self._fixed is None or self._fixed[:2] != (contracts, mesh):
            self._fixed = (contracts, mesh, _fixed(contracts, mesh))
        return self._fixed[2]


def _fixed(contracts: Contracts, mesh: Mesh) -> Snapshot:
    names = sorted(mesh.services)
    return Snapshot.of(
        [
            *(parsed(_listener(name, mesh.faults.get(name)), Listener) for name in names),
            *(parsed(_routes(name, contracts.rpcs), RouteConfiguration) for name in names),
            *(parsed(_cluster(name, mesh), Cluster) for name in names),
        ]
    )


def _listener(name: str, fault: Fault | None) -> dict[str, Any]:
    faults = [] if fault is None else [{"name": FILTER, "typed_config": among_services(fault)}]
    manager = {
        "@type": types.HTTP_CONNECTION_MANAGER,
        "stat_prefix": name,
        "rds": {"route_config_name": name, "config_source": over_ads()},
        "http_filters": [*faults, extension("envoy.filters.http.router", types.ROUTER)],
    }
    return {"name": name, "api_listener": {"api_listener": manager}}


def _routes(name: str, rpcs: Iterable[RpcSpec]) -> dict[str, Any]:
    calls = [_route(rpc) for rpc in rpcs if room_of(rpc) == name]
    return {"name": name, "virtual_hosts": [{"name": name, "domains": ["*"], "routes": calls}]}


def _route(rpc: RpcSpec) -> dict[str, Any]:
    action: dict[str, Any] = {"cluster": room_of(rpc)}
    if rpc.policy.deadline_ms:
        longest = seconds(rpc.policy.deadline_ms / 1000 + EARLY_S)
        action["max_stream_duration"] = {"max_stream_duration": longest}
    if rpc.is_repeatable:
        action["retry_policy"] = _retry_policy()
    return {"match": {"path": rpc.path}, "route": action}


def _retry_policy() -> dict[str, Any]:
    return {
        "retry_on": "unavailable",
        **RETRIES,
    }


def _cluster(name: str, mesh: Mesh) -> dict[str, Any]:
    return {
        "name": name,
        "type": "EDS",
        "eds_cluster_config": {"eds_config": over_ads()},
        "lb_policy": "ROUND_ROBIN",
        "circuit_breakers": {"thresholds": [{"max_requests": mesh.limits_of(name).max_requests}]},
        "outlier_detection": _outlier_detection(mesh.outlier_detection),
    }


def _outlier_detection(figures: OutlierDetection) -> dict[str, Any]:
    """By the share of failures alone; comparing success rates takes more endpoints than a service has."""
    return {
        "interval": seconds(figures.interval_s),
        "base_ejection_time": seconds(figures.base_ejection_s),
        "max_ejection_time": seconds(figures.max_ejection_s),
        "max_ejection_percent": round(figures.max_ejection_percent),
        "failure_percentage_threshold": round(figures.failure_percent),
        "failure_percentage_minimum_hosts": figures.minimum_hosts,
        "failure_percentage_request_volume": figures.request_volume,
        "enforcing_failure_percentage": 100,
        "enforcing_success_rate": 0,
    }

"""Clusters: one for each service of the mesh, with its bounds; endpoints come by EDS."""

from typing import Any

from chassis.grpc.server import MOST_CALLS_OF_A_CONNECTION
from gateway import envoy_types as types
from gateway.control_plane.builder import over_ads, seconds
from gateway.control_plane.mesh import HealthCheck, Limits, Mesh, OutlierDetection
from gateway.envoy import limits
from gateway.envoy.cache import origin_cluster
from gateway.envoy.edge import OTLP_CLUSTER, Edge
from gateway.envoy_types import address


def clusters(mesh: Mesh, edge: Edge) -> list[dict[str, Any]]:
    """Those of the services, of the listener behind the cache, of limiter and trace collector if any."""
    found = [_service(name, mesh) for name in sorted(mesh.services)]
    found.append(origin_cluster())
    if mesh.gateway.rate_limits:
        found.append(fixed_cluster(limits.CLUSTER, *host_and_port(mesh.gateway.rate_limits)))
    if edge.otlp:
        found.append(fixed_cluster(OTLP_CLUSTER, *edge.otlp))
    return found


def http2() -> dict[str, Any]:
    """Protocol options of an upstream that speaks HTTP/2; a connection that died is noticed."""
    options = {
        "connection_keepalive": {"interval": "30s", "timeout": "5s"},
        # From the first call on: Envoy would learn of the bound only when a new connection has answered.
        "max_concurrent_streams": MOST_CALLS_OF_A_CONNECTION,
    }
    return {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": types.UPSTREAM_HTTP,
            "explicit_http_config": {"http2_protocol_options": options},
        }
    }


def _service(name: str, mesh: Mesh) -> dict[str, Any]:
    return {
        "name": name,
        "type": "EDS",
        "eds_cluster_config": {"eds_config": over_ads()},
        "connect_timeout": "1s",
        "lb_policy": "LEAST_REQUEST",
        "typed_extension_protocol_options": http2(),
        "circuit_breakers": {"thresholds": [_threshold(mesh.limits_of(name))]},
        "outlier_detection": _outlier_detection(mesh.outlier_detection),
        "health_checks": [_health_check(mesh.health_check)],
        # By default Envoy tells its workers of changed health once a second.
        "common_lb_config": {"update_merge_window": "0.1s"},
        # An endpoint that is taken out gets no new calls, whatever its health; those in flight end there.
        "ignore_health_on_host_removal": True,
    }


def _threshold(limits: Limits) -> dict[str, Any]:
    budget = limits.retry_budget
    return {
        "max_connections": limits.max_connections,
        "max_pending_requests": limits.max_pending,
        "max_requests": limits.max_requests,
        "retry_budget": {
            "budget_percent": {"value": budget.percent},
            "min_retry_concurrency": budget.min_concurrency,
        },
    }


def _outlier_detection(figures: OutlierDetection) -> dict[str, Any]:
    """An endpoint that cannot be reached is left alone; one that answers with errors is not.

    While a shard is down every endpoint of a service answers some calls UNAVAILABLE; leaving endpoints alone
    for that would take them from the users of other shards.
    """
    return {
        "interval": seconds(figures.interval_s),
        "base_ejection_time": seconds(figures.base_ejection_s),
        "max_ejection_time": seconds(figures.max_ejection_s),
        "max_ejection_percent": round(figures.max_ejection_percent),
        "split_external_local_origin_errors": True,
        "consecutive_local_origin_failure": figures.consecutive_errors,
        "enforcing_consecutive_local_origin_failure": 100,
        "enforcing_local_origin_success_rate": 0,
        "enforcing_consecutive_5xx": 0,
        "enforcing_consecutive_gateway_failure": 0,
        "enforcing_success_rate": 0,
    }


def _health_check(figures: HealthCheck) -> dict[str, Any]:
    """Until its first check an endpoint counts as unhealthy: nobody is promised what nobody has seen."""
    return {
        "timeout": seconds(figures.timeout_s),
        "interval": seconds(figures.interval_s),
        "no_traffic_interval": seconds(figures.interval_s),
        "unhealthy_interval": seconds(figures.unhealthy_interval_s),
        "healthy_threshold": figures.healthy_threshold,
        "unhealthy_threshold": figures.unhealthy_threshold,
        "grpc_health_check": {},
    }


def host_and_port(text: str) -> tuple[str, int]:
    """The parts of `host:port`."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def fixed_cluster(name: str, host: str, port: int) -> dict[str, Any]:
    """A cluster of one address that is known beforehand."""
    member = {"endpoint": {"address": address(host, port)}}
    return {
        "name": name,
        "type": "STRICT_DNS",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": http2(),
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [member]}]},
    }

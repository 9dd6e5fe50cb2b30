"""Clusters: one for each service of the mesh, with its bounds; their endpoints come by EDS."""

from typing import Any

from chassis.grpc.server import MAX_CALLS_PER_CONNECTION
from gateway import envoy_types
from gateway.envoy.cache import ORIGIN
from gateway.envoy.edge_config import OTLP_CLUSTER, EdgeConfig
from gateway.envoy.quotas import quota_cluster_name
from gateway.envoy.rate_limits import RATE_LIMIT_CLUSTER
from gateway.envoy.routes import ROUTE_CONFIGURATION
from gateway.envoy.view_log import VIEW_LOG_CLUSTER
from gateway.envoy_types import socket_address, typed_extension
from gateway.xds.config import ads_config_source, format_duration
from gateway.xds.mesh import CircuitBreakerLimits, HealthCheck, Mesh, OutlierDetection
from gateway.xds.mutual_tls import RATE_LIMITER_NAME, envoy_transport_socket


def build_clusters(mesh: Mesh, edge: EdgeConfig) -> list[dict[str, Any]]:
    """Return the clusters of services, the inner listener, the limiter, the view log and the collector."""
    found = [_service_cluster(name, mesh) for name in sorted(mesh.services)]
    found.append(internal_cluster(ORIGIN))
    if mesh.gateway.rate_limits:
        found.extend(internal_cluster(quota_cluster_name(each)) for each in (ROUTE_CONFIGURATION, ORIGIN))
        limiter = static_cluster(RATE_LIMIT_CLUSTER, *parse_host_port(mesh.gateway.rate_limits))
        found.append(limiter | _mutual_tls(RATE_LIMITER_NAME, mesh))
    if mesh.gateway.view_log_address:
        view_log = static_cluster(VIEW_LOG_CLUSTER, *parse_host_port(mesh.gateway.view_log_address))
        found.append(view_log | _mutual_tls(RATE_LIMITER_NAME, mesh))
    if edge.otlp:
        found.append(static_cluster(OTLP_CLUSTER, *edge.otlp))
    return found


def http2_options() -> dict[str, Any]:
    """Return the protocol options of an HTTP/2 upstream; dead connections are detected."""
    options = {
        "connection_keepalive": {"interval": "30s", "timeout": "5s"},
        # Set from the first call on: Envoy otherwise learns the bound only when a new connection has
        # answered.
        "max_concurrent_streams": MAX_CALLS_PER_CONNECTION,
    }
    return {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": envoy_types.UPSTREAM_HTTP,
            "explicit_http_config": {"http2_protocol_options": options},
        }
    }


def _service_cluster(name: str, mesh: Mesh) -> dict[str, Any]:
    return {
        "name": name,
        "type": "EDS",
        "eds_cluster_config": {"eds_config": ads_config_source()},
        "connect_timeout": "1s",
        "lb_policy": "LEAST_REQUEST",
        "typed_extension_protocol_options": http2_options(),
        "circuit_breakers": {"thresholds": [_circuit_breaker_threshold(mesh.limits_for(name))]},
        "outlier_detection": _outlier_detection(mesh.outlier_detection),
        "health_checks": [_health_check(mesh.health_check)],
        # By default Envoy updates its workers' view of health once a second.
        "common_lb_config": {"update_merge_window": "0.1s"},
        # A removed endpoint gets no new calls, whatever its health; calls in flight end there.
        "ignore_health_on_host_removal": True,
        **_mutual_tls(name, mesh),
    }


def _mutual_tls(name: str, mesh: Mesh) -> dict[str, Any]:
    return envoy_transport_socket(name, lambda _: ads_config_source()) if mesh.tls else {}


def _circuit_breaker_threshold(limits: CircuitBreakerLimits) -> dict[str, Any]:
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
    """Return the outlier detection: it ejects endpoints that cannot be reached, not those that answer errors.

    While a shard is down every endpoint of a service answers some calls UNAVAILABLE; ejecting endpoints for
    that would take them from the users of other shards.
    """
    return {
        "interval": format_duration(figures.interval_s),
        "base_ejection_time": format_duration(figures.base_ejection_s),
        "max_ejection_time": format_duration(figures.max_ejection_s),
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
    """Return the health check: an endpoint is unhealthy until its first check, so it gets no calls."""
    return {
        "timeout": format_duration(figures.timeout_s),
        "interval": format_duration(figures.interval_s),
        "no_traffic_interval": format_duration(figures.interval_s),
        "unhealthy_interval": format_duration(figures.unhealthy_interval_s),
        "healthy_threshold": figures.healthy_threshold,
        "unhealthy_threshold": figures.unhealthy_threshold,
        "grpc_health_check": {},
    }


def internal_cluster(listener: str) -> dict[str, Any]:
    """Return the cluster of an internal listener: HTTP/2 over a pipe inside this Envoy."""
    member = {"endpoint": {"address": {"envoy_internal_address": {"server_listener_name": listener}}}}
    return {
        "name": listener,
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": envoy_types.UPSTREAM_HTTP,
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
        "transport_socket": typed_extension(
            "envoy.transport_sockets.internal_upstream",
            envoy_types.INTERNAL_UPSTREAM,
            transport_socket=typed_extension("envoy.transport_sockets.raw_buffer", envoy_types.RAW_BUFFER),
        ),
        "load_assignment": {"cluster_name": listener, "endpoints": [{"lb_endpoints": [member]}]},
    }


def parse_host_port(text: str) -> tuple[str, int]:
    """Return the parts of `host:port`."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def static_cluster(name: str, host: str, port: int) -> dict[str, Any]:
    """Return a cluster of one fixed address."""
    member = {"endpoint": {"address": socket_address(host, port)}}
    return {
        "name": name,
        "type": "STRICT_DNS",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": http2_options(),
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [member]}]},
    }

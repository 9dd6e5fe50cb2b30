"""The listeners: the edge, for clients, and `origin` behind its cache, for the edge only."""

from collections.abc import Sequence
from typing import Any, Final

from chassis.contracts import Contracts
from gateway import envoy_types
from gateway.envoy.cache import ORIGIN
from gateway.envoy.edge_config import MAX_BODY_BYTES, OTLP_CLUSTER, EdgeConfig
from gateway.envoy.filters import edge_filters, origin_filters, quota_filters
from gateway.envoy.quotas import quota_cluster_name, report_header_removal
from gateway.envoy.request_stats import request_stats_log
from gateway.envoy.responses import local_reply_config
from gateway.envoy.routes import ROUTE_CONFIGURATION
from gateway.envoy.view_log import view_access_log
from gateway.envoy_types import socket_address, typed_extension
from gateway.xds.config import ads_config_source
from gateway.xds.mesh import Mesh, TlsFiles

EDGE_LISTENER: Final = "gateway"
MAX_HEADERS_KB: Final = 64
"""Beyond this bound Envoy ends the request without an answer; the script refuses far earlier, with one."""
_LOGGED_PATH: Final = "%PATH(NQ:ORIG_OR_PATH)%"
"""The path as the client sent it, without its query, which may hold secrets and names."""
_ALPN_PROTOCOLS: Final = ("h2", "http/1.1")
GATEWAY_SECRET: Final = "gateway"  # noqa: S105 - its name


def build_edge_listener(contracts: Contracts, mesh: Mesh, edge: EdgeConfig) -> dict[str, Any]:
    """Return the edge: HTTP/1.1, HTTP/2, gRPC and gRPC-Web on one port; TLS where there is a certificate."""
    manager = _http_connection_manager(
        EDGE_LISTENER,
        ROUTE_CONFIGURATION,
        edge_filters(contracts, mesh),
        **_connection_limits(),
        codec_type="AUTO",
        use_remote_address=True,
        xff_num_trusted_hops=mesh.gateway.trusted_hops,
        always_set_request_id_in_response=True,
        normalize_path=True,
        path_with_escaped_slashes_action="REJECT_REQUEST",
        local_reply_config=local_reply_config(),
        early_header_mutation_extensions=[report_header_removal()],
        access_log=[
            _access_log(),
            request_stats_log(),
            *([view_access_log(contracts.rpcs)] if mesh.gateway.view_log_address else []),
        ],
        **_tracing(edge),
    )
    chain: dict[str, Any] = {"filters": [manager]}
    if mesh.gateway.tls is not None:
        chain["transport_socket"] = _tls_transport_socket()
    return {
        "name": EDGE_LISTENER,
        "address": socket_address(*edge.listen),
        "per_connection_buffer_limit_bytes": MAX_BODY_BYTES,
        "filter_chains": [chain],
    }


def build_origin_listener(contracts: Contracts, mesh: Mesh, edge: EdgeConfig) -> dict[str, Any]:
    """Return the listener behind the cache; the edge has set request ID, trace and addresses already."""
    manager = _http_connection_manager(
        ORIGIN,
        ORIGIN,
        origin_filters(contracts, mesh),
        codec_type="HTTP2",
        use_remote_address=False,
        # The edge itself is one more hop.
        xff_num_trusted_hops=mesh.gateway.trusted_hops + 1,
        generate_request_id=False,
        **_tracing(edge),
    )
    return {
        "name": ORIGIN,
        "internal_listener": {},
        "filter_chains": [{"filters": [manager]}],
    }


def build_quota_listeners(contracts: Contracts) -> list[dict[str, Any]]:
    """Return the listeners that reports about quotas pass: one for each route configuration with calls."""
    return [_quota_listener(contracts, routes) for routes in (ROUTE_CONFIGURATION, ORIGIN)]


def _quota_listener(contracts: Contracts, routes: str) -> dict[str, Any]:
    name = quota_cluster_name(routes)
    manager = _http_connection_manager(
        name, routes, quota_filters(contracts), codec_type="HTTP2", generate_request_id=False
    )
    return {"name": name, "internal_listener": {}, "filter_chains": [{"filters": [manager]}]}


def _http_connection_manager(
    name: str, routes: str, filters: Sequence[dict[str, Any]], **settings: Any
) -> dict[str, Any]:
    return typed_extension(
        "envoy.filters.network.http_connection_manager",
        envoy_types.HTTP_CONNECTION_MANAGER,
        stat_prefix=name,
        rds={"route_config_name": routes, "config_source": ads_config_source()},
        http_filters=list(filters),
        **settings,
    )


def build_gateway_secret(files: TlsFiles) -> dict[str, Any]:
    """Return the gateway's certificate: Envoy reads the files again when one of their folder is replaced.

    Kubernetes replaces the files of a mounted Secret so, and a rename does.
    """
    certificate = {
        "certificate_chain": {"filename": str(files.certificate)},
        "private_key": {"filename": str(files.key)},
        "watched_directory": {"path": str(files.certificate.parent)},
    }
    return {"name": GATEWAY_SECRET, "tls_certificate": certificate}


def _tls_transport_socket() -> dict[str, Any]:
    return typed_extension(
        "envoy.transport_sockets.tls",
        envoy_types.DOWNSTREAM_TLS,
        common_tls_context={
            "alpn_protocols": list(_ALPN_PROTOCOLS),
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
            "tls_certificate_sds_secret_configs": [
                {"name": GATEWAY_SECRET, "sds_config": ads_config_source()}
            ],
        },
    )


def _connection_limits() -> dict[str, Any]:
    return {
        "max_request_headers_kb": MAX_HEADERS_KB,
        "common_http_protocol_options": {
            "idle_timeout": "900s",
            "max_headers_count": 100,
            "headers_with_underscores_action": "DROP_HEADER",
        },
        # For old health checks and scripts; without it Envoy answers 426.
        "http_protocol_options": {"accept_http_10": True, "default_host_for_http_10": EDGE_LISTENER},
        "http2_protocol_options": {"max_concurrent_streams": 200},
        "request_headers_timeout": "10s",
        "request_timeout": "30s",
        "stream_idle_timeout": "300s",
        "drain_timeout": "5s",
    }


def _access_log() -> dict[str, Any]:
    fields = {
        "time": "%START_TIME%",
        "event": "http_request",
        "method": "%REQ(X-ENVOY-ORIGINAL-METHOD?:METHOD)%",
        "path": _LOGGED_PATH,
        "rpc": "%PATH(NQ:PATH)%",
        "status": "%RESPONSE_CODE%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "flags": "%RESPONSE_FLAGS%",
        "duration_ms": "%DURATION%",
        "service_ms": "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
        "bytes_in": "%BYTES_RECEIVED%",
        "bytes_out": "%BYTES_SENT%",
        "request_id": "%REQ(X-REQUEST-ID)%",
        "traceparent": "%REQ(TRACEPARENT)%",
        "trace_id": "%TRACE_ID%",
        "cache": "%RESP(X-CACHE)%",
        "upstream": "%UPSTREAM_HOST%",
    }
    return typed_extension(
        "envoy.access_loggers.stdout", envoy_types.STDOUT_LOG, log_format={"json_format": fields}
    ) | {"filter": {"not_health_check_filter": {}}}


def _tracing(edge: EdgeConfig) -> dict[str, Any]:
    if edge.otlp is None:
        return {}
    exporter = {"envoy_grpc": {"cluster_name": OTLP_CLUSTER}, "timeout": "1s"}
    provider = typed_extension(
        "envoy.tracers.opentelemetry",
        envoy_types.OPENTELEMETRY,
        grpc_service=exporter,
        service_name=EDGE_LISTENER,
    )
    tracing = {
        "provider": provider,
        "random_sampling": {"value": edge.trace_percent},
        "custom_tags": [{"tag": "http.url", "value": f"%REQ(:SCHEME)%://%REQ(:AUTHORITY)%{_LOGGED_PATH}"}],
    }
    return {"tracing": tracing}

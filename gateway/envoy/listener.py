"""The listener: limits of connections, and the filters that every request passes, in order."""

import base64
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from chassis.contracts import Contracts, RpcSpec
from gateway import envoy_types as types
from gateway.control_plane.builder import over_ads
from gateway.control_plane.mesh import Mesh
from gateway.envoy.edge import MAX_BODY_BYTES, OTLP_CLUSTER, Edge
from gateway.envoy.routes import ROUTE_CONFIGURATION
from gateway.envoy_types import address, extension
from gateway.surface import edge_rpcs

LISTENER: Final = "gateway"
MAX_HEADERS_KB: Final = 32
_LUA: Final = Path(__file__).parent.with_name("errors.lua")


def listener(contracts: Contracts, mesh: Mesh, edge: Edge) -> dict[str, Any]:
    """The one listener, whose routes come by RDS."""
    manager = extension(
        "envoy.filters.network.http_connection_manager",
        types.HTTP_CONNECTION_MANAGER,
        **_connection_limits(),
        stat_prefix=LISTENER,
        codec_type="AUTO",
        use_remote_address=True,
        always_set_request_id_in_response=True,
        normalize_path=True,
        path_with_escaped_slashes_action="REJECT_REQUEST",
        access_log=[_access_log()],
        **_tracing(edge),
        rds={"route_config_name": ROUTE_CONFIGURATION, "config_source": over_ads()},
        http_filters=_filters(contracts, mesh),
    )
    return {
        "name": LISTENER,
        "address": address(*edge.listen),
        "per_connection_buffer_limit_bytes": MAX_BODY_BYTES,
        "filter_chains": [{"filters": [manager]}],
    }


def _connection_limits() -> dict[str, Any]:
    return {
        "max_request_headers_kb": MAX_HEADERS_KB,
        "common_http_protocol_options": {
            "idle_timeout": "900s",
            "max_headers_count": 100,
            "headers_with_underscores_action": "DROP_HEADER",
        },
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
        "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
        "rpc": "%REQ(:PATH)%",
        "status": "%RESPONSE_CODE%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "flags": "%RESPONSE_FLAGS%",
        "duration_ms": "%DURATION%",
        "bytes_in": "%BYTES_RECEIVED%",
        "bytes_out": "%BYTES_SENT%",
        "request_id": "%REQ(X-REQUEST-ID)%",
        "traceparent": "%REQ(TRACEPARENT)%",
        "upstream": "%UPSTREAM_HOST%",
    }
    return extension("envoy.access_loggers.stdout", types.STDOUT_LOG, log_format={"json_format": fields})


def _tracing(edge: Edge) -> dict[str, Any]:
    if edge.otlp is None:
        return {}
    exporter = {"envoy_grpc": {"cluster_name": OTLP_CLUSTER}, "timeout": "1s"}
    provider = extension(
        "envoy.tracers.opentelemetry", types.OPENTELEMETRY, grpc_service=exporter, service_name=LISTENER
    )
    return {"tracing": {"provider": provider, "random_sampling": {"value": edge.trace_percent}}}


def _filters(contracts: Contracts, mesh: Mesh) -> list[dict[str, Any]]:
    return [
        extension(
            "envoy.filters.http.lua", types.LUA, default_source_code={"inline_string": lua_source(contracts)}
        ),
        _probe("/ready", {name: {"value": 1} for name in sorted(mesh.services)}),
        _probe("/health", {}),
        extension("envoy.filters.http.buffer", types.BUFFER, max_request_bytes=MAX_BODY_BYTES),
        _transcoder(contracts),
        extension("envoy.filters.http.router", types.ROUTER),
    ]


def lua_source(contracts: Contracts) -> str:
    """The error script with the tables that it needs from the contracts."""
    table = ",\n".join(
        f'  {reason.name} = {{ code = {reason.code.value[0]}, help = "{reason.help}", '
        f"retryable = {str(reason.retryable).lower()} }}"
        for reason in contracts.reasons.values()
    )
    fields = ", ".join(f"{body} = true" for body in _body_fields(edge_rpcs(contracts)))
    return f"local REASONS = {{\n{table}\n}}\nlocal BODY_FIELDS = {{ {fields} }}\n" + _LUA.read_text()


def _body_fields(rpcs: Iterable[RpcSpec]) -> list[str]:
    return sorted({binding.body for rpc in rpcs for binding in rpc.http} - {"", "*"})


def _probe(path: str, needs: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "pass_through_mode": False,
        "headers": [{"name": ":path", "string_match": {"exact": path}}],
    }
    if needs:
        fields["cluster_min_healthy_percentages"] = dict(needs)
    return extension(f"envoy.filters.http.health_check{path.replace('/', '.')}", types.HEALTH_CHECK, **fields)


def _transcoder(contracts: Contracts) -> dict[str, Any]:
    """With the descriptors in it, so that a changed contract is a changed listener."""
    return extension(
        "envoy.filters.http.grpc_json_transcoder",
        types.TRANSCODER,
        proto_descriptor_bin=base64.b64encode(contracts.descriptor_set).decode(),
        services=sorted({rpc.service for rpc in edge_rpcs(contracts)}),
        convert_grpc_status=True,
        print_options={
            "always_print_primitive_fields": True,
            "stream_newline_delimited": True,
            "stream_sse_style_delimited": True,
        },
        request_validation_options={
            "reject_unknown_method": True,
            "reject_unknown_query_parameters": True,
        },
    )

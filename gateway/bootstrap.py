"""Envoy's configuration, made from the contracts.

What an RPC declares in its `.proto` is what Envoy does: which calls it routes,
for how long it waits, which it may repeat. Nothing here names an RPC.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chassis.contracts import RpcSpec, reasons
from gateway import envoy_types as types
from gateway.envoy_types import address, extension
from gateway.surface import edge_rpcs, room_of

MAX_BODY_BYTES: Final = 1024 * 1024
MAX_HEADERS_KB: Final = 32
MAX_CONNECTIONS: Final = 20_000
# Envoy waits a little longer than the service, so that the service's own
# DEADLINE_EXCEEDED, which says more, arrives first.
DEADLINE_MARGIN_MS: Final = 250
STREAM_IDLE_S: Final = 3600
_LUA: Final = Path(__file__).with_name("errors.lua")


@dataclass(frozen=True)
class EnvoyInputs:
    """What the configuration is made from, beside the contracts."""

    descriptor_set: Path
    """File with the contracts' descriptors, imports and `google.rpc` details included."""
    openapi: Path
    """File served at `/openapi.json`."""
    docs_page: Path
    """File served at `/docs`."""
    upstreams: Mapping[str, tuple[tuple[str, int], ...]]
    """Addresses of each service: name -> (host, port) of its instances."""
    listen: tuple[str, int]
    admin: tuple[str, int]
    otlp: tuple[str, int] | None = None
    """Where traces go; none are made when absent."""
    trace_percent: float = 100.0


def render(inputs: EnvoyInputs) -> dict[str, Any]:
    """The bootstrap that `envoy -c` takes.

    Raises KeyError when a service of the contracts has no upstream.
    """
    rpcs = edge_rpcs()
    return {
        "node": {"id": "gateway", "cluster": "gateway"},
        "admin": {"address": address(*inputs.admin)},
        "overload_manager": _overload_manager(),
        "static_resources": {
            "listeners": [_listener(inputs, rpcs)],
            "clusters": _clusters(inputs, rpcs),
        },
    }


def _overload_manager() -> dict[str, Any]:
    limit = extension(
        "envoy.resource_monitors.global_downstream_max_connections",
        types.DOWNSTREAM_CONNECTIONS,
        max_active_downstream_connections=MAX_CONNECTIONS,
    )
    return {"resource_monitors": [limit]}


def _listener(inputs: EnvoyInputs, rpcs: Sequence[RpcSpec]) -> dict[str, Any]:
    manager = extension(
        "envoy.filters.network.http_connection_manager",
        types.HTTP_CONNECTION_MANAGER,
        **_connection_limits(),
        stat_prefix="gateway",
        codec_type="AUTO",
        use_remote_address=True,
        always_set_request_id_in_response=True,
        normalize_path=True,
        path_with_escaped_slashes_action="REJECT_REQUEST",
        access_log=[_access_log()],
        **_tracing(inputs),
        route_config=_routes(inputs, rpcs),
        http_filters=_filters(inputs, rpcs),
    )
    return {
        "name": "gateway",
        "address": address(*inputs.listen),
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


def _tracing(inputs: EnvoyInputs) -> dict[str, Any]:
    if inputs.otlp is None:
        return {}
    exporter = {"envoy_grpc": {"cluster_name": "otlp"}, "timeout": "1s"}
    provider = extension(
        "envoy.tracers.opentelemetry", types.OPENTELEMETRY, grpc_service=exporter, service_name="gateway"
    )
    return {"tracing": {"provider": provider, "random_sampling": {"value": inputs.trace_percent}}}


def _filters(inputs: EnvoyInputs, rpcs: Sequence[RpcSpec]) -> list[dict[str, Any]]:
    return [
        extension(
            "envoy.filters.http.lua", types.LUA, default_source_code={"inline_string": lua_source(rpcs)}
        ),
        _probe("/ready", {name: {"value": 1} for name in sorted(inputs.upstreams)}),
        _probe("/health", {}),
        extension("envoy.filters.http.buffer", types.BUFFER, max_request_bytes=MAX_BODY_BYTES),
        _transcoder(inputs, rpcs),
        extension("envoy.filters.http.router", types.ROUTER),
    ]


def lua_source(rpcs: Iterable[RpcSpec]) -> str:
    """The error script with the tables that it needs from the contracts."""
    table = ",\n".join(
        f'  {reason.name} = {{ code = {reason.code.value[0]}, help = "{reason.help}", '
        f"retryable = {str(reason.retryable).lower()} }}"
        for reason in reasons().values()
    )
    bodies = sorted({binding.body for rpc in rpcs for binding in rpc.http} - {"", "*"})
    fields = ", ".join(f"{body} = true" for body in bodies)
    return f"local REASONS = {{\n{table}\n}}\nlocal BODY_FIELDS = {{ {fields} }}\n" + _LUA.read_text()


def _probe(path: str, needs: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "pass_through_mode": False,
        "headers": [{"name": ":path", "string_match": {"exact": path}}],
    }
    if needs:
        fields["cluster_min_healthy_percentages"] = dict(needs)
    return extension(f"envoy.filters.http.health_check{path.replace('/', '.')}", types.HEALTH_CHECK, **fields)


def _transcoder(inputs: EnvoyInputs, rpcs: Sequence[RpcSpec]) -> dict[str, Any]:
    return extension(
        "envoy.filters.http.grpc_json_transcoder",
        types.TRANSCODER,
        proto_descriptor=str(inputs.descriptor_set),
        services=sorted({rpc.service for rpc in rpcs}),
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


def _routes(inputs: EnvoyInputs, rpcs: Sequence[RpcSpec]) -> dict[str, Any]:
    pages = [
        _page("/openapi.json", inputs.openapi, "application/json"),
        _page("/docs", inputs.docs_page, "text/html; charset=utf-8"),
    ]
    calls = [_route(rpc) for rpc in rpcs]
    return {
        "name": "gateway",
        "max_direct_response_body_size_bytes": 4 * MAX_BODY_BYTES,
        "virtual_hosts": [{"name": "gateway", "domains": ["*"], "routes": pages + calls}],
    }


def _page(path: str, file: Path, content_type: str) -> dict[str, Any]:
    # With no services of its own the transcoder leaves the path alone.
    no_transcoding = {"@type": types.TRANSCODER, "proto_descriptor_bin": "", "services": []}
    return {
        "match": {"path": path},
        "direct_response": {"status": 200, "body": {"filename": str(file)}},
        "response_headers_to_add": [
            {
                "header": {"key": "content-type", "value": content_type},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
        ],
        "typed_per_filter_config": {"envoy.filters.http.grpc_json_transcoder": no_transcoding},
    }


def _route(rpc: RpcSpec) -> dict[str, Any]:
    action: dict[str, Any] = {"cluster": room_of(rpc)}
    if rpc.policy.deadline_ms:
        longest = f"{(rpc.policy.deadline_ms + DEADLINE_MARGIN_MS) / 1000:.3f}s"
        action |= {"timeout": longest, "max_stream_duration": {"grpc_timeout_header_max": longest}}
    else:
        action |= {"timeout": "0s", "idle_timeout": f"{STREAM_IDLE_S}s"}
    if rpc.is_repeatable:
        action["retry_policy"] = _retry_policy()
    return {"match": {"path": rpc.path}, "route": action}


def _retry_policy() -> dict[str, Any]:
    return {
        "retry_on": "connect-failure,refused-stream,unavailable,reset-before-request",
        "num_retries": 2,
        "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.250s"},
    }


def _clusters(inputs: EnvoyInputs, rpcs: Sequence[RpcSpec]) -> list[dict[str, Any]]:
    rooms = sorted({room_of(rpc) for rpc in rpcs})
    services = [_service_cluster(room, inputs.upstreams[room]) for room in rooms]
    return services + ([_cluster("otlp", (inputs.otlp,))] if inputs.otlp else [])


def _cluster(name: str, endpoints: Iterable[tuple[str, int]]) -> dict[str, Any]:
    members = [{"endpoint": {"address": address(host, port)}} for host, port in endpoints]
    return {
        "name": name,
        "type": "STRICT_DNS",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": types.UPSTREAM_HTTP,
                "explicit_http_config": {
                    "http2_protocol_options": {"connection_keepalive": {"interval": "30s", "timeout": "5s"}}
                },
            }
        },
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": members}]},
    }


def _service_cluster(room: str, endpoints: tuple[tuple[str, int], ...]) -> dict[str, Any]:
    return _cluster(room, endpoints) | {
        "lb_policy": "LEAST_REQUEST",
        "circuit_breakers": {"thresholds": [_threshold()]},
        "health_checks": [
            {
                "timeout": "1s",
                "interval": "2s",
                "no_traffic_interval": "2s",
                "unhealthy_interval": "0.5s",
                "healthy_threshold": 1,
                "unhealthy_threshold": 2,
                "grpc_health_check": {},
            }
        ],
        # Until its first check a service counts as unhealthy: /ready never promises what nobody has seen.
        "ignore_health_on_host_removal": True,
    }


def _threshold() -> dict[str, Any]:
    return {
        "max_connections": 100,
        "max_pending_requests": 1000,
        "max_requests": 2000,
        "retry_budget": {"budget_percent": {"value": 20}, "min_retry_concurrency": 5},
    }

"""The filters of a request, in order, at the edge and behind its cache."""

import base64
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from chassis.contracts import Contracts, RpcSpec
from gateway import envoy_types
from gateway.api_surface import OLDER_PATH_HEADERS, edge_rpcs, writable_enum_names
from gateway.envoy.api_keys import API_KEY_FILTER, API_KEY_PREFIX, api_key_filter
from gateway.envoy.cache import ORIGIN, cache_filter, is_cacheable
from gateway.envoy.content_types import render_content_types
from gateway.envoy.edge_config import MAX_BODY_BYTES
from gateway.envoy.lua_tables import render_request_tables
from gateway.envoy.rate_limits import CALLER_FILTER, RATE_LIMIT_FILTER, caller_filter, rate_limit_filter
from gateway.envoy.responses import compressor_filters, header_mutation_filter
from gateway.envoy.tokens import JWT_FILTER, token_filter
from gateway.envoy_types import typed_extension
from gateway.xds.fault_filter import FAULT_FILTER, NO_FAULT
from gateway.xds.mesh import Mesh

LUA_FILTER: Final = "envoy.filters.http.lua"
READY_FILTER: Final = "envoy.filters.http.health_check.ready"
HEALTH_FILTER: Final = "envoy.filters.http.health_check.health"
READY_PATH: Final = "/ready"
HEALTH_PATH: Final = "/health"
CORS_FILTER: Final = "envoy.filters.http.cors"
GRPC_WEB_FILTER: Final = "envoy.filters.http.grpc_web"
BUFFER_FILTER: Final = "envoy.filters.http.buffer"
TRANSCODER_FILTER: Final = "envoy.filters.http.grpc_json_transcoder"
FILTERS_SKIPPED_BY_CONDITIONAL_READS: Final = (
    BUFFER_FILTER,
    TRANSCODER_FILTER,
    API_KEY_FILTER,
    JWT_FILTER,
    CALLER_FILTER,
    RATE_LIMIT_FILTER,
)
"""Filters that transcode and admit a request; `origin` has them for requests of the cache."""
FILTERS_SKIPPED_BY_CACHED_READS: Final = (
    LUA_FILTER,
    READY_FILTER,
    HEALTH_FILTER,
    GRPC_WEB_FILTER,
    *FILTERS_SKIPPED_BY_CONDITIONAL_READS,
)
"""Filters without effect on answers from the cache: each costs about as much as a small answer itself."""
JWKS_RPC: Final = "internshipconnect.auth.v1.AuthService.GetJwks"
MAX_HEADER_BYTES: Final = 16 * 1024
"""Names and values of a request's headers.

A service gets the path twice and some more headers, and refuses more bytes than `chassis.grpc.server` allows;
below this bound it never does.
"""
_LUA_FOLDER: Final = Path(__file__).with_name("lua")
_LUA_FILES: Final = (
    "transcoder_errors.lua",
    "older_paths.lua",
    "content_types.lua",
    "bodies.lua",
    "requests.lua",
    "on_response.lua",
    "on_request.lua",
)
"""Parts of one script, each using those before it: a second filter would cost as much as all of them."""


def edge_filters(contracts: Contracts, mesh: Mesh) -> list[dict[str, Any]]:
    """Return the filters of the edge. The first ones process every answer last, Envoy's own included."""
    rpcs = edge_rpcs(contracts)
    return [
        header_mutation_filter(tls=mesh.gateway.tls is not None),
        # Before the script, which knows no call with the method OPTIONS.
        typed_extension(CORS_FILTER, envoy_types.CORS),
        _lua_filter(contracts),
        _probe_filter(READY_FILTER, READY_PATH, {name: {"value": 1} for name in sorted(mesh.services)}),
        _probe_filter(HEALTH_FILTER, HEALTH_PATH, {}),
        *compressor_filters(),
        typed_extension(GRPC_WEB_FILTER, envoy_types.GRPC_WEB),
        cache_filter(),
        *_call_filters(contracts, rpcs),
        api_key_filter(),
        token_filter(rpcs, ORIGIN, _jwks_path(contracts), mesh.gateway.issuer),
        caller_filter(rpcs),
        *([rate_limit_filter()] if mesh.gateway.rate_limits else []),
        _fault_filter(),
        _router_filter(),
    ]


def origin_filters(contracts: Contracts, mesh: Mesh) -> list[dict[str, Any]]:
    """Return the filters behind the cache, where callers are anonymous."""
    rpcs = tuple(rpc for rpc in edge_rpcs(contracts) if is_cacheable(rpc))
    return [
        _lua_filter(contracts),
        *_call_filters(contracts, rpcs),
        caller_filter(rpcs),
        *([rate_limit_filter()] if mesh.gateway.rate_limits else []),
        _fault_filter(),
        _router_filter(),
    ]


def quota_filters(contracts: Contracts) -> list[dict[str, Any]]:
    """Return the filters of reports about quotas, on their way to the limiter."""
    return [caller_filter(edge_rpcs(contracts)), _router_filter()]


def _call_filters(contracts: Contracts, rpcs: Iterable[RpcSpec]) -> list[dict[str, Any]]:
    return [
        typed_extension(BUFFER_FILTER, envoy_types.BUFFER, max_request_bytes=MAX_BODY_BYTES),
        _transcoder_filter(contracts, rpcs),
    ]


def buffer_settings(rpc: RpcSpec) -> dict[str, Any]:
    """Return the settings of a route whose call takes larger requests than usual; {} for other calls."""
    if not rpc.policy.max_request_bytes:
        return {}
    bound = {"max_request_bytes": rpc.max_request_bytes}
    return {BUFFER_FILTER: {"@type": envoy_types.BUFFER_PER_ROUTE, "buffer": bound}}


def _fault_filter() -> dict[str, Any]:
    """Return the filter of faults, disabled: a virtual host enables it, also for open connections."""
    return {"name": FAULT_FILTER, "typed_config": NO_FAULT, "disabled": True}


def _router_filter() -> dict[str, Any]:
    return typed_extension("envoy.filters.http.router", envoy_types.ROUTER)


def _jwks_path(contracts: Contracts) -> str:
    """Return the path of auth's public keys. Raises LookupError when no contract offers them."""
    found = (rpc.http[0].path for rpc in edge_rpcs(contracts) if rpc.full_name == JWKS_RPC)
    path = next(found, None)
    if path is None:
        raise LookupError(f"no contract offers {JWKS_RPC}, so tokens cannot be verified")
    return path


def _lua_filter(contracts: Contracts) -> dict[str, Any]:
    source = render_lua_source(contracts)
    return typed_extension(LUA_FILTER, envoy_types.LUA, default_source_code={"inline_string": source})


def render_lua_source(contracts: Contracts) -> str:
    """Render the script of requests and responses with its tables."""
    table = ",\n".join(
        f'  {reason.name} = {{ code = {reason.code.value[0]}, help = "{reason.help}", '
        f"retryable = {str(reason.is_retryable).lower()} }}"
        for reason in contracts.reasons.values()
    )
    names = writable_enum_names(edge_rpcs(contracts))
    fields = ", ".join(f"{body} = true" for body in _body_fields(edge_rpcs(contracts)))
    enums = ", ".join(f'["{name}"] = "{", ".join(known)}"' for name, known in names.items())
    tables = (
        f"local REASONS = {{\n{table}\n}}",
        f"local BODY_FIELDS = {{ {fields} }}",
        f"local ENUMS = {{ {enums} }}",
        f"local MAX_HEADER_BYTES = {MAX_HEADER_BYTES}",
        f'local API_KEY_PREFIX = "{API_KEY_PREFIX}"',
        render_content_types(),
        render_request_tables(edge_rpcs(contracts)),
        _render_older_paths(edge_rpcs(contracts)),
    )
    return "\n".join((*tables, *((_LUA_FOLDER / name).read_text() for name in _LUA_FILES)))


def _render_older_paths(rpcs: Iterable[RpcSpec]) -> str:
    paths = (binding.path for rpc in rpcs for binding in rpc.http[1:])
    segments = ", ".join(f"{name} = true" for name in sorted({path.split("/")[1] for path in paths}))
    deprecation, sunset = OLDER_PATH_HEADERS
    fields = f'segments = {{ {segments} }}, deprecation = "{deprecation}", sunset = "{sunset}"'
    return f"local OLDER_PATHS = {{ {fields} }}"


def _body_fields(rpcs: Iterable[RpcSpec]) -> list[str]:
    return sorted({binding.body for rpc in rpcs for binding in rpc.http} - {"", "*"})


def _probe_filter(name: str, path: str, needs: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "pass_through_mode": False,
        "headers": [{"name": ":path", "string_match": {"exact": path}}],
    }
    if needs:
        fields["cluster_min_healthy_percentages"] = dict(needs)
    return typed_extension(name, envoy_types.HEALTH_CHECK, **fields)


def _transcoder_filter(contracts: Contracts, rpcs: Iterable[RpcSpec]) -> dict[str, Any]:
    """Return the transcoder with the descriptors in it, so that a changed contract changes the listener."""
    return typed_extension(
        TRANSCODER_FILTER,
        envoy_types.TRANSCODER,
        proto_descriptor_bin=base64.b64encode(contracts.descriptor_set).decode(),
        services=sorted({rpc.service for rpc in rpcs}),
        convert_grpc_status=True,
        # As every browser and HTTP library encodes a space.
        query_param_unescape_plus=True,
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

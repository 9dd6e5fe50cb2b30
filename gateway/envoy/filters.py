"""The filters that a request passes, in order, at the edge and behind its cache."""

import base64
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from chassis.contracts import Contracts, RpcSpec
from gateway import envoy_types as types
from gateway.control_plane.faults import FILTER as FAULTS
from gateway.control_plane.faults import NO_FAULT
from gateway.control_plane.mesh import Mesh
from gateway.envoy.cache import ORIGIN, cache_filter, is_cacheable
from gateway.envoy.edge import MAX_BODY_BYTES
from gateway.envoy.limits import CALLER, RATE_LIMIT, caller_filter, limit_filter
from gateway.envoy.requests import request_tables
from gateway.envoy.responses import compressors, standing_headers
from gateway.envoy.tokens import FILTER as TOKENS
from gateway.envoy.tokens import token_filter
from gateway.envoy_types import extension
from gateway.surface import OLDER_PATHS, edge_rpcs, enum_names

SCRIPT: Final = "envoy.filters.http.lua"
READY: Final = "envoy.filters.http.health_check.ready"
HEALTH: Final = "envoy.filters.http.health_check.health"
CORS: Final = "envoy.filters.http.cors"
GRPC_WEB: Final = "envoy.filters.http.grpc_web"
BUFFER: Final = "envoy.filters.http.buffer"
TRANSCODER: Final = "envoy.filters.http.grpc_json_transcoder"
BEHIND_THE_CACHE: Final = (BUFFER, TRANSCODER, TOKENS, CALLER, RATE_LIMIT)
"""Those that make a call of a request and let it pass; for the cache's requests that is done by `origin`."""
ONLY_FOR_CALLS: Final = (SCRIPT, READY, HEALTH, GRPC_WEB, *BEHIND_THE_CACHE)
"""Those of which an answer from the cache has nothing: each costs about as much as a small answer itself."""
KEYS_RPC: Final = "internshipconnect.auth.v1.AuthService.GetJwks"
MAX_HEADER_BYTES: Final = 16 * 1024
"""Names and values of a request's headers. A service gets its path twice and a few headers more, and refuses
what is longer than `chassis.grpc.server` says; below that bound it never does."""
_SCRIPTS: Final = ("words.lua", "older.lua", "bodies.lua", "requests.lua", "errors.lua", "entry.lua")
"""Pieces of one script, each built on those before it: a filter more would cost as much as all of them."""


def edge_filters(contracts: Contracts, mesh: Mesh) -> list[dict[str, Any]]:
    """At the edge. The first ones have the last word on every answer, Envoy's own included."""
    rpcs = edge_rpcs(contracts)
    return [
        standing_headers(tls=mesh.gateway.tls is not None),
        # Before the script, to which OPTIONS is a method that no call has.
        extension(CORS, types.CORS),
        _script(contracts),
        _probe(READY, "/ready", {name: {"value": 1} for name in sorted(mesh.services)}),
        _probe(HEALTH, "/health", {}),
        *compressors(),
        extension(GRPC_WEB, types.GRPC_WEB),
        cache_filter(),
        *_call_filters(contracts, rpcs),
        token_filter(rpcs, ORIGIN, _keys_path(contracts)),
        caller_filter(rpcs),
        *([limit_filter()] if mesh.gateway.rate_limits else []),
        _faults(),
        _router(),
    ]


def origin_filters(contracts: Contracts, mesh: Mesh) -> list[dict[str, Any]]:
    """Behind the cache, where nobody is signed in."""
    rpcs = tuple(rpc for rpc in edge_rpcs(contracts) if is_cacheable(rpc))
    return [
        _script(contracts),
        *_call_filters(contracts, rpcs),
        caller_filter(rpcs),
        *([limit_filter()] if mesh.gateway.rate_limits else []),
        _faults(),
        _router(),
    ]


def _call_filters(contracts: Contracts, rpcs: Iterable[RpcSpec]) -> list[dict[str, Any]]:
    return [
        extension(BUFFER, types.BUFFER, max_request_bytes=MAX_BODY_BYTES),
        _transcoder(contracts, rpcs),
    ]


def _faults() -> dict[str, Any]:
    """Passed by no request unless its host says so; to change the chain would not reach old connections."""
    return {"name": FAULTS, "typed_config": NO_FAULT, "disabled": True}


def _router() -> dict[str, Any]:
    return extension("envoy.filters.http.router", types.ROUTER)


def _keys_path(contracts: Contracts) -> str:
    """Where auth's public keys are read. Raises LookupError when no contract offers them."""
    found = (rpc.http[0].path for rpc in edge_rpcs(contracts) if rpc.full_name == KEYS_RPC)
    path = next(found, None)
    if path is None:
        raise LookupError(f"no contract offers {KEYS_RPC}, so tokens cannot be verified")
    return path


def _script(contracts: Contracts) -> dict[str, Any]:
    source = lua_source(contracts)
    return extension(SCRIPT, types.LUA, default_source_code={"inline_string": source})


def lua_source(contracts: Contracts) -> str:
    """The script of requests and answers with the tables that it needs."""
    table = ",\n".join(
        f'  {reason.name} = {{ code = {reason.code.value[0]}, help = "{reason.help}", '
        f"retryable = {str(reason.retryable).lower()} }}"
        for reason in contracts.reasons.values()
    )
    names = enum_names(edge_rpcs(contracts))
    fields = ", ".join(f"{body} = true" for body in _body_fields(edge_rpcs(contracts)))
    enums = ", ".join(f'["{name}"] = "{", ".join(known)}"' for name, known in names.items())
    tables = (
        f"local REASONS = {{\n{table}\n}}",
        f"local BODY_FIELDS = {{ {fields} }}",
        f"local ENUMS = {{ {enums} }}",
        f"local MAX_HEADER_BYTES = {MAX_HEADER_BYTES}",
        request_tables(edge_rpcs(contracts)),
        _older_paths(edge_rpcs(contracts)),
    )
    folder = Path(__file__).parents[1]
    return "\n".join((*tables, *((folder / name).read_text() for name in _SCRIPTS)))


def _older_paths(rpcs: Iterable[RpcSpec]) -> str:
    paths = (binding.path for rpc in rpcs for binding in rpc.http[1:])
    segments = ", ".join(f"{name} = true" for name in sorted({path.split("/")[1] for path in paths}))
    deprecation, sunset = OLDER_PATHS
    return (
        f'local OLDER = {{ segments = {{ {segments} }}, deprecation = "{deprecation}", sunset = "{sunset}" }}'
    )


def _body_fields(rpcs: Iterable[RpcSpec]) -> list[str]:
    return sorted({binding.body for rpc in rpcs for binding in rpc.http} - {"", "*"})


def _probe(name: str, path: str, needs: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "pass_through_mode": False,
        "headers": [{"name": ":path", "string_match": {"exact": path}}],
    }
    if needs:
        fields["cluster_min_healthy_percentages"] = dict(needs)
    return extension(name, types.HEALTH_CHECK, **fields)


def _transcoder(contracts: Contracts, rpcs: Iterable[RpcSpec]) -> dict[str, Any]:
    """With the descriptors in it, so that a changed contract is a changed listener."""
    return extension(
        TRANSCODER,
        types.TRANSCODER,
        proto_descriptor_bin=base64.b64encode(contracts.descriptor_set).decode(),
        services=sorted({rpc.service for rpc in rpcs}),
        convert_grpc_status=True,
        # As every browser and HTTP library writes a space.
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

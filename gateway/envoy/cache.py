"""The edge's cache of public reads: the cached paths, their durations, and the way of a miss.

Envoy's cache sends a miss upstream without the filters that follow it, so a miss goes to `origin`, a listener
inside the same Envoy with the filters of all other calls. Only a GET without a token whose contract allows
caching reaches the cache; an answer that `origin` does not mark as public is passed on and not cached.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from chassis.contracts import RpcSpec
from gateway import envoy_types
from gateway.envoy.content_types import grpc_content_type_matcher
from gateway.envoy.request_stats import route_name
from gateway.envoy.responses import route_response_headers
from gateway.envoy_types import typed_extension

CACHE_FILTER: Final = "envoy.filters.http.cache_v2"
ORIGIN: Final = "origin"
"""The name of the listener behind the cache, of its cluster and of its routes."""
MAX_CACHED_BODY_BYTES: Final = 1024 * 1024
VARY: Final = "accept-encoding, authorization, origin"
_HAS_IF_NONE_MATCH: Final = {"name": "if-none-match", "present_match": True}
_HAS_NO_IF_NONE_MATCH: Final = {"name": "if-none-match", "present_match": False}
_CONDITIONAL_METADATA: Final = {"conditional": True, "checked_by_origin": True}
_HEAD_METADATA: Final = {"checked_by_origin": True}
"""Metadata for the script: `origin` checks the request."""
# Only answers from the cache have an age.
_CACHE_STATUS: Final = "%CEL('age' in response.headers ? 'HIT' : 'MISS')%"
_PATH_PARAMETER: Final = re.compile(r"\{[^}]*\}")


def cache_filter() -> dict[str, Any]:
    """Return the cache in memory. A full cache drops the least recently used answer."""
    return typed_extension(
        CACHE_FILTER,
        envoy_types.CACHE,
        typed_config={"@type": envoy_types.MEMORY_CACHE},
        max_body_bytes=MAX_CACHED_BODY_BYTES,
        # Otherwise a client could send every read on to the services.
        ignore_request_cache_control_header=True,
    )


def is_cacheable(rpc: RpcSpec) -> bool:
    """Return whether shared caches may keep the call's answer."""
    return rpc.policy.shared_cache_s > 0


def cached_read_routes(rpcs: Iterable[RpcSpec]) -> list[dict[str, Any]]:
    """Return a route for each path of each shared-cacheable call, for callers without a token."""
    return [
        _cached_route(name, path, _method_matcher("GET"), _HAS_NO_IF_NONE_MATCH)
        for name, path in _cacheable_paths(rpcs)
    ]


def conditional_read_routes(rpcs: Iterable[RpcSpec]) -> list[dict[str, Any]]:
    """Return the same for If-None-Match and HEAD requests; these routes follow the plain ones."""
    paths = _cacheable_paths(rpcs)
    return [
        *(
            _cached_route(name, path, _GET_OR_HEAD, _HAS_IF_NONE_MATCH) | _lua_metadata(_CONDITIONAL_METADATA)
            for name, path in paths
        ),
        *(
            _cached_route(name, path, _method_matcher("HEAD")) | _lua_metadata(_HEAD_METADATA)
            for name, path in paths
        ),
    ]


def _lua_metadata(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"metadata": {"filter_metadata": {"envoy.filters.http.lua": dict(fields)}}}


def _method_matcher(name: str) -> dict[str, Any]:
    return {"name": ":method", "string_match": {"exact": name}}


_GET_OR_HEAD: Final = {"name": ":method", "string_match": {"safe_regex": {"regex": "GET|HEAD"}}}


def _cacheable_paths(rpcs: Iterable[RpcSpec]) -> list[tuple[str, str]]:
    """Return each path of a cacheable GET, with the name of the call's routes."""
    bindings = ((route_name(rpc), binding) for rpc in rpcs if is_cacheable(rpc) for binding in rpc.http)
    return [(name, binding.path) for name, binding in bindings if binding.method == "GET"]


def uncached_paths(rpcs: Iterable[RpcSpec]) -> list[str]:
    """Return the fixed paths of GETs that must not be cached."""
    return [
        binding.path
        for rpc in rpcs
        if not is_cacheable(rpc)
        for binding in rpc.http
        if binding.method == "GET" and "{" not in binding.path
    ]


def _cached_route(name: str, path: str, *headers: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "match": {
            **path_match(path),
            "headers": [
                *headers,
                {"name": "authorization", "present_match": False},
                _is_not_grpc(),
            ],
        },
        "route": {"cluster": ORIGIN},
        "typed_per_filter_config": route_response_headers(("vary", VARY), ("x-cache", _CACHE_STATUS)),
    }


def _is_not_grpc() -> dict[str, Any]:
    return grpc_content_type_matcher() | {"invert_match": True, "treat_missing_header_as_empty": True}


def path_match(path: str) -> dict[str, Any]:
    """Return Envoy's match of a path of a contract."""
    if "{" not in path:
        return {"path": path}
    # A field stands for one segment; a verb after a colon makes it another call.
    pattern = _PATH_PARAMETER.sub(r"[^/:]+", re.escape(path).replace(r"\{", "{").replace(r"\}", "}"))
    return {"safe_regex": {"regex": pattern}}


def cache_duration_metadata(rpc: RpcSpec) -> dict[str, Any]:
    """Return a route's metadata for the script behind the cache."""
    return _lua_metadata({"shared_cache_s": rpc.policy.shared_cache_s})

"""The log of readers of public listings, written by the edge after its answers, cached ones included."""

from collections.abc import Iterable
from typing import Any, Final

from chassis.contracts import RpcSpec
from gateway import envoy_types
from gateway.envoy.cache import path_match
from gateway.envoy_types import typed_extension
from gateway.ratelimit.view_log import PREFETCH_HEADERS

VIEWED_RPC: Final = "GetInternship"
VIEW_LOG_NAME: Final = "views"
VIEW_LOG_CLUSTER: Final = "view-log"
FLUSH_INTERVAL_S: Final = 1
BUFFER_BYTES: Final = 256 * 1024
"""Some 500 entries: one message, and one round trip to Redis, for all of them."""


def view_access_log(rpcs: Iterable[RpcSpec]) -> dict[str, Any]:
    """Return the access log of GETs of listings without a token; it goes to the process that counts them."""
    paths = [
        binding.path
        for rpc in rpcs
        if rpc.name == VIEWED_RPC
        for binding in rpc.http
        if binding.method == "GET"
    ]
    log = typed_extension(
        "envoy.access_loggers.http_grpc",
        envoy_types.GRPC_LOG,
        common_config={
            "log_name": VIEW_LOG_NAME,
            "transport_api_version": "V3",
            "grpc_service": {"envoy_grpc": {"cluster_name": VIEW_LOG_CLUSTER}},
            "buffer_flush_interval": f"{FLUSH_INTERVAL_S}s",
            "buffer_size_bytes": BUFFER_BYTES,
        },
        additional_request_headers_to_log=[*PREFETCH_HEADERS],
    )
    return log | {
        "filter": {
            "and_filter": {"filters": [_is_get(), _is_not_head(), _without_token(), _matches_paths(paths)]}
        }
    }


def _is_get() -> dict[str, Any]:
    return _header_filter(name=":method", string_match={"exact": "GET"})


def _is_not_head() -> dict[str, Any]:
    """Return the filter of requests that were no HEAD: the gateway's script makes it GET and marks it."""
    matcher = {
        "filter": "internshipconnect.gateway",
        "path": [{"key": "is_head"}],
        # Of a matcher, this filter reads only the value, not `invert`.
        "value": {"bool_match": False},
    }
    return {"metadata_filter": {"matcher": matcher, "match_if_key_not_found": True}}


def _without_token() -> dict[str, Any]:
    return _header_filter(name="authorization", present_match=False)


def _matches_paths(paths: Iterable[str]) -> dict[str, Any]:
    patterns = "|".join(path_match(path)["safe_regex"]["regex"] for path in paths)
    regex = {"regex": rf"(?:{patterns})(?:\?.*)?"}
    asked = _header_filter(name=":path", string_match={"safe_regex": regex})
    rewritten = _header_filter(name="x-envoy-original-path", string_match={"safe_regex": regex})
    return {"or_filter": {"filters": [asked, rewritten]}}


def _header_filter(**matcher: Any) -> dict[str, Any]:
    return {"header_filter": {"header": matcher}}

"""Routes: one for each public RPC, one for each page, and those of the cache."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from chassis.call_context import SENT_TIMEOUT_METADATA_KEY
from chassis.contracts import Contracts, RpcSpec
from gateway import envoy_types
from gateway.api_surface import edge_rpcs, service_of
from gateway.envoy.cache import (
    CACHE_FILTER,
    ORIGIN,
    cache_duration_metadata,
    cached_read_routes,
    conditional_read_routes,
    is_cacheable,
    path_match,
    uncached_paths,
)
from gateway.envoy.edge_config import MAX_BODY_BYTES, EdgeConfig
from gateway.envoy.filters import (
    BUFFER_FILTER,
    CORS_FILTER,
    FILTERS_SKIPPED_BY_CACHED_READS,
    FILTERS_SKIPPED_BY_CONDITIONAL_READS,
    LUA_FILTER,
    TRANSCODER_FILTER,
    buffer_settings,
)
from gateway.envoy.pages import page_routes
from gateway.envoy.quotas import quota_report_route
from gateway.envoy.rate_limits import RATE_LIMIT_CLUSTER, quota_settings, rate_limit_actions
from gateway.envoy.reflection import reflection_routes
from gateway.envoy.request_stats import route_name
from gateway.envoy.responses import cors_policy, header_value_option
from gateway.envoy.tokens import JWT_FILTER
from gateway.envoy_types import typed_extension
from gateway.xds.config import RETRY_SETTINGS, format_duration
from gateway.xds.fault_filter import FAULT_FILTER, NO_FAULT, http_fault_settings
from gateway.xds.mesh import Mesh, ServiceFault
from internshipconnect.options.v1 import options_pb2

ROUTE_CONFIGURATION: Final = "gateway"
# Envoy waits a little longer than the service, so that the service's own, more helpful DEADLINE_EXCEEDED
# arrives first.
DEADLINE_MARGIN_MS: Final = 250
STREAM_IDLE_S: Final = 3600
NO_TIMEOUT: Final = "0s"
_PAGE_METADATA: Final = {"metadata": {"filter_metadata": {LUA_FILTER: {"page": True}}}}
RETRY_ON_UNSENT: Final = ("connect-failure", "refused-stream", "reset-before-request")
RETRY_ON_UNANSWERED: Final = ("unavailable", "reset")
API_PAGE_CSP: Final = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; "
    "frame-ancestors 'none'"
)


def build_edge_routes(contracts: Contracts, mesh: Mesh, edge: EdgeConfig) -> dict[str, Any]:
    """Return the routes of the edge: pages, public reads through the cache, and calls."""
    rpcs = edge_rpcs(contracts)
    calls = [call for rpc in rpcs for call in _call_routes(rpc, mesh)]
    routes = [
        *_quota_routes(mesh, edge),
        *(
            _without_filters(route, CACHE_FILTER, LUA_FILTER, BUFFER_FILTER, TRANSCODER_FILTER, JWT_FILTER)
            for route in reflection_routes(rpcs, limited=bool(mesh.gateway.rate_limits))
        ),
        # `/companies/me` matches the path of a company's page.
        *(_without_cache(_transcoded_call_route({"path": path})) for path in uncached_paths(rpcs)),
        *(_without_filters(route, *FILTERS_SKIPPED_BY_CACHED_READS) for route in cached_read_routes(rpcs)),
        *(
            _without_filters(route, *FILTERS_SKIPPED_BY_CONDITIONAL_READS)
            for route in conditional_read_routes(rpcs)
        ),
        *map(_without_cache, _large_request_routes(rpcs)),
        *map(_without_cache, [*_all_page_routes(edge), *calls, _transcoded_call_route({"prefix": "/"})]),
    ]
    host = _virtual_host(ROUTE_CONFIGURATION, routes, mesh, rpcs, edge)
    if mesh.gateway.cors_origins:
        host["typed_per_filter_config"][CORS_FILTER] = cors_policy(mesh.gateway.cors_origins, rpcs)
    return {
        "name": ROUTE_CONFIGURATION,
        "max_direct_response_body_size_bytes": 4 * MAX_BODY_BYTES,
        "virtual_hosts": [host],
    }


def build_origin_routes(contracts: Contracts, mesh: Mesh, edge: EdgeConfig) -> dict[str, Any]:
    """Return the routes behind the cache: calls whose answers may be cached."""
    rpcs = tuple(rpc for rpc in edge_rpcs(contracts) if is_cacheable(rpc))
    calls = [call | cache_duration_metadata(rpc) for rpc in rpcs for call in _call_routes(rpc, mesh)]
    routes = [*_quota_routes(mesh, edge), *calls, _not_found_route()]
    return {"name": ORIGIN, "virtual_hosts": [_virtual_host(ORIGIN, routes, mesh, rpcs, edge)]}


def _quota_routes(mesh: Mesh, edge: EdgeConfig) -> list[dict[str, Any]]:
    return [quota_report_route(RATE_LIMIT_CLUSTER, edge.quotas)] if mesh.gateway.rate_limits else []


def _virtual_host(
    name: str, routes: list[dict[str, Any]], mesh: Mesh, rpcs: Sequence[RpcSpec], edge: EdgeConfig
) -> dict[str, Any]:
    """Return the virtual host; it enables the fault filter, which decides before transcoding, and quotas."""
    filters: dict[str, Any] = {FAULT_FILTER: NO_FAULT} if mesh.faults else {}
    if mesh.gateway.rate_limits:
        filters |= quota_settings(rpcs, name, edge.quotas)
    return {"name": name, "domains": ["*"], "routes": routes, "typed_per_filter_config": filters}


def _transcoded_call_route(match: dict[str, Any]) -> dict[str, Any]:
    """Return the route of an HTTP path, whose cluster is final only after the filters have transcoded it."""
    return {"match": match, "route": {"cluster": ORIGIN}}


def _large_request_routes(rpcs: Sequence[RpcSpec]) -> Iterator[dict[str, Any]]:
    """Yield the routes of HTTP paths whose requests may be larger than those of others."""
    for rpc in rpcs:
        if settings := buffer_settings(rpc):
            for binding in rpc.http:
                method = {"name": ":method", "string_match": {"exact": binding.method}}
                route = _transcoded_call_route({**path_match(binding.path), "headers": [method]})
                yield route | {"typed_per_filter_config": settings}


def _without_cache(route: dict[str, Any]) -> dict[str, Any]:
    return _without_filters(route, CACHE_FILTER)


def _without_filters(route: dict[str, Any], *filters: str) -> dict[str, Any]:
    off = {name: {"@type": envoy_types.FILTER_CONFIG, "disabled": True} for name in filters}
    return route | {"typed_per_filter_config": {**route.get("typed_per_filter_config", {}), **off}}


def _not_found_route() -> dict[str, Any]:
    """Return the route of paths that no contract has."""
    return {"match": {"prefix": "/"}, "direct_response": {"status": 404}}


def build_retry_policy(*, is_repeatable: bool) -> dict[str, Any]:
    """Return the retry policy: unsent requests are retried; if repeats have no effect, unanswered ones, too.

    The next try goes to the next region if there is one, as this one may have no endpoint left.
    """
    return {
        "retry_on": ",".join((*RETRY_ON_UNSENT, *RETRY_ON_UNANSWERED) if is_repeatable else RETRY_ON_UNSENT),
        **RETRY_SETTINGS,
        "retry_priority": typed_extension(
            "envoy.retry_priorities.previous_priorities", envoy_types.PREVIOUS_PRIORITIES, update_frequency=1
        ),
    }


def _all_page_routes(edge: EdgeConfig) -> Iterator[dict[str, Any]]:
    yield from map(_api_page_route, edge.pages)
    yield from (_without_filters(route | _PAGE_METADATA, TRANSCODER_FILTER) for route in page_routes())


def _api_page_route(page: tuple[str, str, str]) -> dict[str, Any]:
    path, content_type, content = page
    route = {
        "match": {"path": path},
        "direct_response": {"status": 200, "body": {"inline_string": content}},
        **_PAGE_METADATA,
        "response_headers_to_add": [
            header_value_option("content-type", content_type),
            header_value_option("content-security-policy", API_PAGE_CSP),
            header_value_option("cache-control", "public, max-age=60"),
        ],
    }
    return _without_filters(route, TRANSCODER_FILTER)


def _call_routes(rpc: RpcSpec, mesh: Mesh) -> list[dict[str, Any]]:
    """Return a call's route; two if a client's idempotency key makes a repeat harmless."""
    if rpc.policy.idempotency != options_pb2.IDEMPOTENCY_KEY:
        return [_call_route(rpc, mesh, is_repeatable=rpc.is_repeatable)]
    with_key, without = (
        _call_route(rpc, mesh, is_repeatable=True),
        _call_route(rpc, mesh, is_repeatable=False),
    )
    with_key["match"]["headers"] = [{"name": "idempotency-key", "present_match": True}]
    return [with_key, without]


def _call_route(rpc: RpcSpec, mesh: Mesh, *, is_repeatable: bool) -> dict[str, Any]:
    action: dict[str, Any] = {"cluster": service_of(rpc)}
    if rpc.policy.deadline_ms:
        longest = format_duration((rpc.policy.deadline_ms + DEADLINE_MARGIN_MS) / 1000)
        action["timeout"] = longest
    else:
        action |= {"timeout": NO_TIMEOUT, "idle_timeout": f"{STREAM_IDLE_S}s"}
    action["retry_policy"] = build_retry_policy(is_repeatable=is_repeatable)
    if mesh.gateway.rate_limits:
        action["rate_limits"] = rate_limit_actions(rpc)
    route = {"name": route_name(rpc), "match": {"path": rpc.path}, "route": action}
    if settings := buffer_settings(rpc):
        route["typed_per_filter_config"] = settings
    told = _deadline_headers(rpc) if rpc.policy.deadline_ms else {}
    return _with_fault(route | told, mesh.faults.get(service_of(rpc)))


def _deadline_headers(rpc: RpcSpec) -> dict[str, Any]:
    """Return the headers with the deadline: the service counts it from the arrival of the call.

    gRPC itself ends a call at its deadline, without an answer; so it gets a little more than the service.
    """
    milliseconds = str(rpc.policy.deadline_ms + DEADLINE_MARGIN_MS // 2)
    told = [
        header_value_option("grpc-timeout", f"{milliseconds}m"),
        header_value_option(SENT_TIMEOUT_METADATA_KEY, milliseconds),
    ]
    return {"request_headers_to_add": told}


def _with_fault(route: dict[str, Any], fault: ServiceFault | None) -> dict[str, Any]:
    """Return the route with a fault and a time-out of the stream: Envoy's route time-out excludes delays."""
    if fault is None:
        return route
    action = route["route"]
    if fault.delay is not None and action["timeout"] != NO_TIMEOUT:
        action["max_stream_duration"] = {"max_stream_duration": action["timeout"]}
    settings = route.get("typed_per_filter_config", {}) | {FAULT_FILTER: http_fault_settings(fault)}
    return route | {"typed_per_filter_config": settings}

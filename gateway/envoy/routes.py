"""Routes: one for each call that the contracts offer outside, one for each page, and those of the cache."""

from collections.abc import Iterator
from typing import Any, Final

from chassis.caller import SENT_WITH_KEY
from chassis.contracts import Contracts, RpcSpec
from gateway import envoy_types as types
from gateway.control_plane.builder import RETRIES, seconds
from gateway.control_plane.faults import FILTER as FAULTS
from gateway.control_plane.faults import NO_FAULT, at_the_edge
from gateway.control_plane.mesh import Fault, Mesh
from gateway.envoy.cache import FILTER as CACHE
from gateway.envoy.cache import (
    ORIGIN,
    conditional_reads,
    is_cacheable,
    kept_for,
    plain_reads,
    uncached_paths,
)
from gateway.envoy.edge import MAX_BODY_BYTES, Edge
from gateway.envoy.filters import BEHIND_THE_CACHE, BUFFER, CORS, ONLY_FOR_CALLS, SCRIPT, TRANSCODER
from gateway.envoy.limits import rate_limits
from gateway.envoy.pages import page_routes
from gateway.envoy.reflection import reflection_routes
from gateway.envoy.responses import cors_policy, header
from gateway.envoy.tokens import FILTER as TOKENS
from gateway.envoy_types import extension
from gateway.surface import edge_rpcs, room_of
from internshipconnect.options.v1 import options_pb2

ROUTE_CONFIGURATION: Final = "gateway"
# Envoy waits a little longer than the service, so that the service's own DEADLINE_EXCEEDED, which says more,
# arrives first.
DEADLINE_MARGIN_MS: Final = 250
STREAM_IDLE_S: Final = 3600
NO_TIMEOUT: Final = "0s"
_AS_A_PAGE: Final = {"metadata": {"filter_metadata": {SCRIPT: {"page": True}}}}
UNSENT: Final = ("connect-failure", "refused-stream", "reset-before-request")
UNANSWERED: Final = ("unavailable", "reset")
PAGE_POLICY: Final = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; "
    "frame-ancestors 'none'"
)


def edge_routes(contracts: Contracts, mesh: Mesh, edge: Edge) -> dict[str, Any]:
    """What the edge does with a request: a page, a public read by way of the cache, or a call."""
    rpcs = edge_rpcs(contracts)
    calls = [call for rpc in rpcs for call in _calls(rpc, mesh)]
    routes = [
        *(
            _without(route, CACHE, SCRIPT, BUFFER, TRANSCODER, TOKENS)
            for route in reflection_routes(rpcs, limited=bool(mesh.gateway.rate_limits))
        ),
        # `/companies/me` would pass for a company's page.
        *(_past_the_cache(_on_its_way({"path": path})) for path in uncached_paths(rpcs)),
        *(_without(route, *ONLY_FOR_CALLS) for route in plain_reads(rpcs)),
        *(_without(route, *BEHIND_THE_CACHE) for route in conditional_reads(rpcs)),
        *map(_past_the_cache, [*_pages(edge), *calls, _on_its_way({"prefix": "/"})]),
    ]
    host = _host(ROUTE_CONFIGURATION, routes, mesh)
    if mesh.gateway.cors_origins:
        host["typed_per_filter_config"][CORS] = cors_policy(mesh.gateway.cors_origins, rpcs)
    return {
        "name": ROUTE_CONFIGURATION,
        "max_direct_response_body_size_bytes": 4 * MAX_BODY_BYTES,
        "virtual_hosts": [host],
    }


def origin_routes(contracts: Contracts, mesh: Mesh) -> dict[str, Any]:
    """Behind the cache: the calls whose answers it may keep."""
    calls = [
        call | kept_for(rpc)
        for rpc in edge_rpcs(contracts)
        if is_cacheable(rpc)
        for call in _calls(rpc, mesh)
    ]
    return {"name": ORIGIN, "virtual_hosts": [_host(ORIGIN, [*calls, _nowhere()], mesh)]}


def _host(name: str, routes: list[dict[str, Any]], mesh: Mesh) -> dict[str, Any]:
    """Whether a request passes the filter of faults is settled before it is made a call, so for all alike."""
    filters = {FAULTS: NO_FAULT} if mesh.faults else {}
    return {"name": name, "domains": ["*"], "routes": routes, "typed_per_filter_config": filters}


def _on_its_way(match: dict[str, Any]) -> dict[str, Any]:
    """A path of HTTP becomes a call's only in the filters; until then it goes nowhere in particular."""
    return {"match": match, "route": {"cluster": ORIGIN}}


def _past_the_cache(route: dict[str, Any]) -> dict[str, Any]:
    return _without(route, CACHE)


def _without(route: dict[str, Any], *filters: str) -> dict[str, Any]:
    off = {name: {"@type": types.FILTER_CONFIG, "disabled": True} for name in filters}
    return route | {"typed_per_filter_config": {**route.get("typed_per_filter_config", {}), **off}}


def _nowhere() -> dict[str, Any]:
    """Whatever no contract knows."""
    return {"match": {"prefix": "/"}, "direct_response": {"status": 404}}


def retry_policy(*, is_repeatable: bool) -> dict[str, Any]:
    """What never reached a service is sent again, and everything if a repeat has no effect.

    The next try goes to the next region if there is one: in this one nobody may be left.
    """
    return {
        "retry_on": ",".join((*UNSENT, *UNANSWERED) if is_repeatable else UNSENT),
        **RETRIES,
        "retry_priority": extension(
            "envoy.retry_priorities.previous_priorities", types.PREVIOUS_PRIORITIES, update_frequency=1
        ),
    }


def _pages(edge: Edge) -> Iterator[dict[str, Any]]:
    yield from map(_page_of, edge.pages)
    yield from (_without(route | _AS_A_PAGE, TRANSCODER) for route in page_routes())


def _page_of(page: tuple[str, str, str]) -> dict[str, Any]:
    path, content_type, content = page
    route = {
        "match": {"path": path},
        "direct_response": {"status": 200, "body": {"inline_string": content}},
        **_AS_A_PAGE,
        "response_headers_to_add": [
            header("content-type", content_type),
            header("content-security-policy", PAGE_POLICY),
            header("cache-control", "public, max-age=60"),
        ],
    }
    return _without(route, TRANSCODER)


def _calls(rpc: RpcSpec, mesh: Mesh) -> list[dict[str, Any]]:
    """A call's route; two of them where a key of the client's makes a repeat harmless."""
    if rpc.policy.idempotency != options_pb2.IDEMPOTENCY_KEY:
        return [_call(rpc, mesh, is_repeatable=rpc.is_repeatable)]
    with_key, without = _call(rpc, mesh, is_repeatable=True), _call(rpc, mesh, is_repeatable=False)
    with_key["match"]["headers"] = [{"name": "idempotency-key", "present_match": True}]
    return [with_key, without]


def _call(rpc: RpcSpec, mesh: Mesh, *, is_repeatable: bool) -> dict[str, Any]:
    action: dict[str, Any] = {"cluster": room_of(rpc)}
    if rpc.policy.deadline_ms:
        longest = seconds((rpc.policy.deadline_ms + DEADLINE_MARGIN_MS) / 1000)
        action["timeout"] = longest
    else:
        action |= {"timeout": NO_TIMEOUT, "idle_timeout": f"{STREAM_IDLE_S}s"}
    action["retry_policy"] = retry_policy(is_repeatable=is_repeatable)
    if mesh.gateway.rate_limits:
        action["rate_limits"] = rate_limits(rpc)
    route = {"match": {"path": rpc.path}, "route": action}
    told = _told_its_time(rpc) if rpc.policy.deadline_ms else {}
    return _with_faults(route | told, mesh.faults.get(room_of(rpc)))


def _told_its_time(rpc: RpcSpec) -> dict[str, Any]:
    """The service counts the time from when the call arrives, not from when it gets round to it.

    gRPC itself ends a call whose time is over, without a word; so it is told a little more than the service.
    """
    milliseconds = str(rpc.policy.deadline_ms + DEADLINE_MARGIN_MS // 2)
    told = [header("grpc-timeout", f"{milliseconds}m"), header(SENT_WITH_KEY, milliseconds)]
    return {"request_headers_to_add": told}


def _with_faults(route: dict[str, Any], fault: Fault | None) -> dict[str, Any]:
    """A delay ends before Envoy begins to wait for the service, so the stream itself gets a deadline, too."""
    if fault is None:
        return route
    action = route["route"]
    if fault.delay is not None and action["timeout"] != NO_TIMEOUT:
        action["max_stream_duration"] = {"max_stream_duration": action["timeout"]}
    return route | {"typed_per_filter_config": {FAULTS: at_the_edge(fault)}}

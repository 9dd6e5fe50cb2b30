"""Routes: one for each call that the contracts offer outside, and one for each page."""

from typing import Any, Final

from chassis.contracts import Contracts, RpcSpec
from gateway import envoy_types as types
from gateway.control_plane.builder import seconds
from gateway.envoy.edge import MAX_BODY_BYTES, Edge
from gateway.surface import edge_rpcs, room_of

ROUTE_CONFIGURATION: Final = "gateway"
# Envoy waits a little longer than the service, so that the service's own DEADLINE_EXCEEDED, which says more,
# arrives first.
DEADLINE_MARGIN_MS: Final = 250
STREAM_IDLE_S: Final = 3600


def route_configuration(contracts: Contracts, edge: Edge) -> dict[str, Any]:
    """What the contracts declare of each call: its service, its deadline, whether it may be repeated."""
    pages = [_page(*page) for page in edge.pages]
    calls = [_route(rpc) for rpc in edge_rpcs(contracts)]
    return {
        "name": ROUTE_CONFIGURATION,
        "max_direct_response_body_size_bytes": 4 * MAX_BODY_BYTES,
        "virtual_hosts": [{"name": ROUTE_CONFIGURATION, "domains": ["*"], "routes": pages + calls}],
    }


def retry_policy() -> dict[str, Any]:
    """For calls whose repeat has no effect."""
    return {
        "retry_on": "connect-failure,refused-stream,unavailable,reset-before-request",
        "num_retries": 2,
        "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.250s"},
    }


def _page(path: str, content_type: str, content: str) -> dict[str, Any]:
    # With no services of its own the transcoder leaves the path alone.
    no_transcoding = {"@type": types.TRANSCODER, "proto_descriptor_bin": "", "services": []}
    return {
        "match": {"path": path},
        "direct_response": {"status": 200, "body": {"inline_string": content}},
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
        longest = seconds((rpc.policy.deadline_ms + DEADLINE_MARGIN_MS) / 1000)
        action |= {"timeout": longest, "max_stream_duration": {"grpc_timeout_header_max": longest}}
    else:
        action |= {"timeout": "0s", "idle_timeout": f"{STREAM_IDLE_S}s"}
    if rpc.is_repeatable:
        action["retry_policy"] = retry_policy()
    return {"match": {"path": rpc.path}, "route": action}

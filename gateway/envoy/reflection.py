"""Routes of gRPC reflection, to the control plane, which knows the contracts."""

from collections.abc import Sequence
from typing import Any, Final

from chassis.contracts import RpcSpec
from gateway.api_surface import REFLECTION_METHOD, REFLECTION_SERVICES
from gateway.envoy.content_types import grpc_content_type_matcher
from gateway.envoy.rate_limits import rate_limit_actions
from gateway.xds.nodes import ADS_CLUSTER
from internshipconnect.options.v1.options_pb2 import RATE_LIMIT_CLASS_PUBLIC_API

_IDLE_TIMEOUT: Final = "60s"


def reflection_routes(rpcs: Sequence[RpcSpec], *, limited: bool) -> list[dict[str, Any]]:
    """Return one route for each version; `limited` as any public call is."""
    action: dict[str, Any] = {
        "cluster": ADS_CLUSTER,
        "timeout": "0s",
        "idle_timeout": _IDLE_TIMEOUT,
    }
    alike = [rpc for rpc in rpcs if rpc.is_public and rpc.policy.rate_limit == RATE_LIMIT_CLASS_PUBLIC_API]
    if limited and alike:
        action["rate_limits"] = rate_limit_actions(alike[0])
    return [{"match": _reflection_match(service), "route": action} for service in REFLECTION_SERVICES]


def _reflection_match(service: str) -> dict[str, Any]:
    return {"path": f"/{service}/{REFLECTION_METHOD}", "headers": [grpc_content_type_matcher()]}

"""Routes by which a gRPC client asks what there is: to the control plane, which knows the contracts."""

from collections.abc import Sequence
from typing import Any, Final

from chassis.contracts import RpcSpec
from gateway.control_plane.reflection import METHOD, SERVICES
from gateway.envoy.edge import ADS_CLUSTER
from gateway.envoy.limits import rate_limits
from internshipconnect.options.v1.options_pb2 import RATE_LIMIT_CLASS_PUBLIC_API

_IDLE: Final = "60s"


def reflection_routes(rpcs: Sequence[RpcSpec], *, limited: bool) -> list[dict[str, Any]]:
    """One for each version; limited as any public call is."""
    action: dict[str, Any] = {
        "cluster": ADS_CLUSTER,
        "timeout": "0s",
        "idle_timeout": _IDLE,
    }
    alike = [rpc for rpc in rpcs if rpc.is_public and rpc.policy.rate_limit == RATE_LIMIT_CLASS_PUBLIC_API]
    if limited and alike:
        action["rate_limits"] = rate_limits(alike[0])
    return [{"match": _match(service), "route": action} for service in SERVICES]


def _match(service: str) -> dict[str, Any]:
    is_grpc = {"name": "content-type", "string_match": {"prefix": "application/grpc"}}
    return {"path": f"/{service}/{METHOD}", "headers": [is_grpc]}

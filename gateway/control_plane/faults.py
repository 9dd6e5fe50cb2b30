"""Faults of services as Envoy and gRPC both obey them."""

from typing import Any, Final

from grpc import StatusCode

from gateway import envoy_types as types
from gateway.control_plane.builder import seconds
from gateway.control_plane.mesh import Fault

FILTER: Final = "envoy.filters.http.fault"
NO_FAULT: Final = {"@type": types.FAULT}


def settings_of(fault: Fault) -> dict[str, Any]:
    """The settings of the fault filter. It comes before retries, so these do not hide what it does."""
    found: dict[str, Any] = {"@type": types.FAULT}
    if fault.abort is not None:
        status: int = StatusCode[fault.abort.status].value[0]
        found["abort"] = {"grpc_status": status, "percentage": _share(fault.abort.percent)}
    if fault.delay is not None:
        found["delay"] = {
            "fixed_delay": seconds(fault.delay.duration_s),
            "percentage": _share(fault.delay.percent),
        }
    return found


def _share(percent: float) -> dict[str, Any]:
    return {"numerator": round(percent * 10_000), "denominator": "MILLION"}

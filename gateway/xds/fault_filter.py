"""The fault filter of Envoy and gRPC. It runs before retries, so that no retry hides a fault."""

from http import HTTPStatus
from typing import Any, Final

from grpc import StatusCode

from gateway import envoy_types
from gateway.xds.config import format_duration
from gateway.xds.mesh import ServiceFault

FAULT_FILTER: Final = "envoy.filters.http.fault"
NO_FAULT: Final = {"@type": envoy_types.FAULT}
_HTTP_STATUS_BY_GRPC_STATUS: Final = {
    "UNAVAILABLE": HTTPStatus.SERVICE_UNAVAILABLE,
    "DEADLINE_EXCEEDED": HTTPStatus.GATEWAY_TIMEOUT,
    "RESOURCE_EXHAUSTED": HTTPStatus.TOO_MANY_REQUESTS,
    "INTERNAL": HTTPStatus.INTERNAL_SERVER_ERROR,
    "UNKNOWN": HTTPStatus.INTERNAL_SERVER_ERROR,
}


def grpc_fault_settings(fault: ServiceFault) -> dict[str, Any]:
    """Return the filter's settings for calls between services."""
    status = StatusCode[fault.abort.status].value[0] if fault.abort else 0
    return _fault_settings(fault, "grpc_status", status)


def http_fault_settings(fault: ServiceFault) -> dict[str, Any]:
    """Return the filter's settings at the gateway, where HTTP clients would see a gRPC status as 200."""
    status = _HTTP_STATUS_BY_GRPC_STATUS[fault.abort.status].value if fault.abort else 0
    return _fault_settings(fault, "http_status", status)


def _fault_settings(fault: ServiceFault, kind: str, status: int) -> dict[str, Any]:
    found: dict[str, Any] = {"@type": envoy_types.FAULT}
    if fault.abort is not None:
        found["abort"] = {kind: status, "percentage": _fractional_percent(fault.abort.percent)}
    if fault.delay is not None:
        found["delay"] = {
            "fixed_delay": format_duration(fault.delay.duration_s),
            "percentage": _fractional_percent(fault.delay.percent),
        }
    return found


def _fractional_percent(percent: float) -> dict[str, Any]:
    return {"numerator": round(percent * 10_000), "denominator": "MILLION"}

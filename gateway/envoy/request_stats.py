"""Envoy's own counters of requests by route and status, whichever filter answered them.

A route's name is the method and the canonical path of its call, so a client cannot make new series. Requests
that match no call's route have none. `ops/common_metrics.yaml` gives the counters their common names.
"""

from typing import Any, Final

from chassis.contracts import RpcSpec
from gateway import envoy_types
from gateway.envoy_types import typed_extension

STAT_PREFIX: Final = "edge"
REQUESTS: Final = "http_requests"
REQUEST_DURATION: Final = "http_request_duration"
ROUTE_TAG: Final = "route"
STATUS_TAG: Final = "status_code"


def route_name(rpc: RpcSpec) -> str:
    """Return the name of a call's routes: `GET /api/v1/internships/{internship_id}`; empty without HTTP."""
    return f"{rpc.http[0].method} {rpc.http[0].path}" if rpc.http else ""


def request_stats_log() -> dict[str, Any]:
    """Return the access logger that counts requests and measures them, with no line written."""
    tags = [
        {"name": ROUTE_TAG, "value_format": "%ROUTE_NAME%"},
        {"name": STATUS_TAG, "value_format": "%RESPONSE_CODE%"},
    ]
    return typed_extension(
        "envoy.access_loggers.stats",
        envoy_types.STATS_LOG,
        stat_prefix=STAT_PREFIX,
        counters=[{"stat": {"name": REQUESTS, "tags": tags}, "value_fixed": 1}],
        histograms=[
            {
                "stat": {"name": REQUEST_DURATION, "tags": tags},
                "unit": "Milliseconds",
                "value_format": "%DURATION%",
            }
        ],
    ) | {"filter": {"not_health_check_filter": {}}}

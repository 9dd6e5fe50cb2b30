"""Refuses calls beyond a process's capacity, so that admitted ones end in time.

Calls that a process has no time for wait inside gRPC, invisible to it. The time that they have waited is the
difference between the time-out that they were sent with and the time that is left.
"""

import re
import time
from typing import Any, Final

from chassis.call_context import SENT_TIMEOUT_METADATA_KEY, CallContext, current_call
from chassis.contracts import RpcSpec
from chassis.errors import overloaded
from chassis.grpc.adaptive_concurrency import LATE_SHARE, AdaptiveConcurrencyLimit
from chassis.grpc.handlers import RpcContext, RpcHandler
from chassis.observability import metrics

MAX_WAIT_SHARE: Final = 0.25
"""The share of its deadline that a call may have waited for admission; a later one is refused."""

_MILLISECONDS: Final = re.compile(r"[0-9]{1,9}")
_PREVIOUS_ATTEMPTS_METADATA_KEY: Final = "grpc-previous-rpc-attempts"


class AdmissionInterceptor:
    """A bound on calls in flight, and on the time that they may have waited for admission.

    Server streams, which are mostly idle, have a fixed bound of their own.
    """

    def __init__(self, calls: AdaptiveConcurrencyLimit, max_streams: int) -> None:
        self._calls = calls
        self._streams = AdaptiveConcurrencyLimit(max_streams)
        self._full = metrics.grpc_server_shed.labels("full")
        self._waited = metrics.grpc_server_shed.labels("waited")

    def bind(self, rpc: RpcSpec, proceed: RpcHandler) -> RpcHandler:
        bound = self._streams if rpc.server_streaming else self._calls
        late_after_s = rpc.policy.deadline_ms / 1000 * LATE_SHARE
        max_wait_s = rpc.policy.deadline_ms / 1000 * MAX_WAIT_SHARE

        async def admitted(request: Any, context: RpcContext) -> bytes:
            if bound.is_full():
                self._full.inc()
                raise overloaded("This service")
            call = current_call()
            if _queued_s(call, context) > max_wait_s:
                self._waited.inc()
                raise overloaded("This service")
            bound.in_flight += 1
            try:
                return await proceed(request, context)
            finally:
                bound.in_flight -= 1
                bound.record_end(was_late=time.monotonic() - call.began_at > late_after_s)

        return admitted


def _queued_s(call: CallContext, context: RpcContext) -> float:
    """Return the seconds since the call was sent; 0 when its sender did not name its time-out.

    When gRPC repeats a call it sends the first time-out again, so nothing is known of such a call.
    """
    sent_with = call.metadata_text(SENT_TIMEOUT_METADATA_KEY)
    left_s = context.time_remaining()
    if (
        left_s is None
        or not _MILLISECONDS.fullmatch(sent_with)
        or _PREVIOUS_ATTEMPTS_METADATA_KEY in call.metadata
    ):
        return 0.0
    return int(sent_with) / 1000 - left_s

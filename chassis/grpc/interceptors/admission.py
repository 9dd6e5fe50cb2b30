"""Refuses calls beyond what one process can carry, so that the ones inside still end in time.

Calls that a process has no time for wait inside gRPC, out of sight, until it takes them. How long they have
waited shows in the time that they have left, beside the time that they were sent with.
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
"""Of its deadline; a call that waited longer to be let in gives way to one that can still be in time."""

_MILLISECONDS: Final = re.compile(r"[0-9]{1,9}")
_PREVIOUS_ATTEMPTS_METADATA_KEY: Final = "grpc-previous-rpc-attempts"


class AdmissionInterceptor:
    """A bound on calls in flight, and on how long they may have waited to be let in.

    Server streams, which mostly wait, have a bound of their own that is fixed.
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
            if _queued_s(current_call(), context) > max_wait_s:
                self._waited.inc()
                raise overloaded("This service")
            bound.in_flight += 1
            began = time.monotonic()
            try:
                return await proceed(request, context)
            finally:
                bound.in_flight -= 1
                bound.record_end(was_late=time.monotonic() - began > late_after_s)

        return admitted


def _queued_s(call: CallContext, context: RpcContext) -> float:
    """How long the call has been here; 0 when its sender did not say how much time it had.

    When gRPC sends a call again, it says how much it had at first: nothing is known of such a call.
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

"""Counts each call by its status and measures its duration."""

import time
from typing import Any

from chassis.call_context import current_call
from chassis.contracts import RpcSpec
from chassis.grpc.handlers import RpcContext, RpcHandler
from chassis.observability import metrics
from chassis.observability.call_metrics import CALL_METRICS


class MetricsInterceptor:
    """The standard gRPC server metrics, and the number of calls in flight."""

    def __init__(self) -> None:
        self._in_flight = 0
        metrics.grpc_server_in_flight.set_function(lambda: self._in_flight)

    def bind(self, rpc: RpcSpec, proceed: RpcHandler) -> RpcHandler:
        record = CALL_METRICS.metrics_of(rpc.service, rpc.name).record

        async def measured(request: Any, context: RpcContext) -> bytes:
            call = current_call()
            self._in_flight += 1
            try:
                return await proceed(request, context)
            finally:
                self._in_flight -= 1
                record(call.outcome, time.monotonic() - call.began_at)

        return measured

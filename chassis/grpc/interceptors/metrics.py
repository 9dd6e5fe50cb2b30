"""Counts each call by its status and measures its duration."""

import time
from typing import Any

from prometheus_client import Counter

from chassis.call_context import current_call
from chassis.contracts import RpcSpec
from chassis.grpc.handlers import RpcContext, RpcHandler
from chassis.observability import metrics


class MetricsInterceptor:
    """The standard gRPC server metrics, and the number of calls in flight."""

    def __init__(self) -> None:
        self._in_flight = 0
        metrics.grpc_server_in_flight.set_function(lambda: self._in_flight)

    def bind(self, rpc: RpcSpec, proceed: RpcHandler) -> RpcHandler:
        handled = _CountersByOutcome(rpc)
        observe = metrics.grpc_server_handling_seconds.labels(rpc.service, rpc.name).observe

        async def measured(request: Any, context: RpcContext) -> bytes:
            began = time.perf_counter()
            self._in_flight += 1
            try:
                return await proceed(request, context)
            finally:
                self._in_flight -= 1
                handled[current_call().outcome].inc()
                observe(time.perf_counter() - began)

        return measured


class _CountersByOutcome(dict[str, Counter]):
    """Children of the counter by label, each looked up once."""

    def __init__(self, rpc: RpcSpec) -> None:
        super().__init__()
        self._rpc = rpc

    def __missing__(self, outcome: str) -> Counter:
        child = metrics.grpc_server_handled.labels(self._rpc.service, self._rpc.name, outcome)
        self[outcome] = child
        return child

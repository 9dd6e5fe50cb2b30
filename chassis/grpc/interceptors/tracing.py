"""Continues the trace of each call, or begins one."""

from typing import Any

from chassis.call_context import current_call
from chassis.contracts import RpcSpec
from chassis.grpc.handlers import RpcContext, RpcHandler
from chassis.observability.tracing import is_recording, join_trace, server_span


class TracingInterceptor:
    """One server span per call, marked as an error when the fault is ours."""

    def bind(self, rpc: RpcSpec, proceed: RpcHandler) -> RpcHandler:
        name = rpc.path[1:]

        async def traced(request: Any, context: RpcContext) -> bytes:
            call = current_call()
            if not is_recording():
                join_trace(call.metadata_text("traceparent"))
                return await proceed(request, context)
            with server_span(name, call.metadata_text("traceparent")) as span:
                try:
                    return await proceed(request, context)
                finally:
                    if call.outcome in _SERVER_FAULT_CODES:
                        span.set_error(call.outcome)

        return traced


_SERVER_FAULT_CODES = frozenset({"INTERNAL", "UNKNOWN", "UNAVAILABLE", "DEADLINE_EXCEEDED", "DATA_LOSS"})

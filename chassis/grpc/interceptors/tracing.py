"""Puts each call under the trace that it came with, or begins one."""

from typing import Any

from chassis.caller import current_call
from chassis.contracts import RpcSpec
from chassis.grpc.handlers import Context, Handler
from chassis.observability.tracing import server_span


class Tracing:
    """One server span a call, marked as failed when the fault is ours."""

    def bind(self, rpc: RpcSpec, proceed: Handler) -> Handler:
        name = rpc.path[1:]

        async def traced(request: Any, context: Context) -> bytes:
            call = current_call()
            with server_span(name, call.text("traceparent")) as span:
                try:
                    return await proceed(request, context)
                finally:
                    if call.outcome in _OUR_FAULT:
                        span.failed(call.outcome)

        return traced


_OUR_FAULT = frozenset({"INTERNAL", "UNKNOWN", "UNAVAILABLE", "DEADLINE_EXCEEDED", "DATA_LOSS"})

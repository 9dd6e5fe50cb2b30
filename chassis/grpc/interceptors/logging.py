"""Writes one access line for each answered call."""

import time
from typing import Any

from chassis.call_context import current_call
from chassis.contracts import RpcSpec
from chassis.grpc.handlers import RpcContext, RpcHandler
from chassis.observability.logging import log_access


class AccessLogInterceptor:
    """Logs RPC, caller, status and duration; nothing of requests and answers."""

    def bind(self, rpc: RpcSpec, proceed: RpcHandler) -> RpcHandler:
        name = rpc.path[1:]

        async def logged(request: Any, context: RpcContext) -> bytes:
            call = current_call()
            try:
                return await proceed(request, context)
            finally:
                log_access(
                    rpc=name,
                    code=call.outcome,
                    duration_ms=(time.monotonic() - call.began_at) * 1000,
                    caller=call.principal.id if call.principal else "",
                    request_id=call.request_id,
                )

        return logged

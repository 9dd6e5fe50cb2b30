import asyncio
from typing import Any

from chassis.call_context import CallContext
from chassis.grpc.handlers import RpcContext
from chassis.grpc.interceptors.tracing import TracingInterceptor
from chassis.observability.tracing import current_trace_id, current_traceparent
from tests.fakes.interceptor_calls import rpc, send_call

PARENT = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


async def trace_id(_request: Any, _context: RpcContext) -> bytes:
    return current_trace_id().encode()


async def test_a_call_goes_on_in_the_trace_that_it_came_with() -> None:
    call = CallContext(metadata={"traceparent": PARENT})
    assert await send_call(TracingInterceptor(), rpc("auth", "Login"), trace_id, call=call) == b"a" * 32


async def test_a_call_without_a_trace_begins_one() -> None:
    assert len(await send_call(TracingInterceptor(), rpc("auth", "Login"), trace_id)) == 32


async def test_a_broken_traceparent_begins_a_trace_too() -> None:
    call = CallContext(metadata={"traceparent": "00-zz-01"})
    assert len(await send_call(TracingInterceptor(), rpc("auth", "Login"), trace_id, call=call)) == 32


async def test_the_trace_ends_with_the_task_of_the_call() -> None:
    call = CallContext(metadata={"traceparent": PARENT})
    await asyncio.create_task(send_call(TracingInterceptor(), rpc("auth", "Login"), trace_id, call=call))
    assert current_traceparent() == ""

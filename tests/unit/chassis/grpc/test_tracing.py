from typing import Any

from chassis.caller import Call
from chassis.grpc.handlers import Context
from chassis.grpc.interceptors.tracing import Tracing
from chassis.observability.tracing import current_trace_id, current_traceparent
from tests.fakes.calls import rpc, send

PARENT = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


async def trace_id(_request: Any, _context: Context) -> bytes:
    return current_trace_id().encode()


async def test_a_call_goes_on_in_the_trace_that_it_came_with() -> None:
    call = Call(metadata={"traceparent": PARENT})
    assert await send(Tracing(), rpc("auth", "Login"), trace_id, call=call) == b"a" * 32


async def test_a_call_without_a_trace_begins_one() -> None:
    assert len(await send(Tracing(), rpc("auth", "Login"), trace_id)) == 32


async def test_a_broken_traceparent_begins_a_trace_too() -> None:
    call = Call(metadata={"traceparent": "00-zz-01"})
    assert len(await send(Tracing(), rpc("auth", "Login"), trace_id, call=call)) == 32


async def test_the_trace_ends_with_the_call() -> None:
    await send(Tracing(), rpc("auth", "Login"), trace_id, call=Call(metadata={"traceparent": PARENT}))
    assert current_traceparent() == ""

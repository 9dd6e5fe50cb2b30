import asyncio
from dataclasses import replace
from typing import Any

import pytest

from chassis.call_context import CallContext, remaining_s
from chassis.contracts import RpcSpec
from chassis.errors import DomainError
from chassis.grpc.handlers import RpcContext
from chassis.grpc.interceptors.deadline import DeadlineInterceptor
from internshipconnect.options.v1.options_pb2 import RpcPolicy
from tests.fakes.grpc_context import FakeGrpcContext
from tests.fakes.interceptor_calls import respond_with, rpc, send_call
from tests.virtual_time import in_virtual_time

LOGIN = rpc("auth", "Login")


def within(deadline_ms: int) -> RpcSpec:
    return replace(LOGIN, policy=RpcPolicy(deadline_ms=deadline_ms))


async def how_long(_request: Any, _context: RpcContext) -> bytes:
    return f"{remaining_s()}".encode()


async def too_long(_request: Any, _context: RpcContext) -> bytes:
    await asyncio.sleep(10)
    return b"late"


@in_virtual_time
async def test_a_call_without_a_deadline_of_its_own_gets_the_contract_s() -> None:
    assert float(await send_call(DeadlineInterceptor(), within(1000), how_long)) == pytest.approx(1.0)


@in_virtual_time
async def test_a_shorter_deadline_of_the_client_wins() -> None:
    context = FakeGrpcContext(time_remaining_s=0.2)
    assert float(
        await send_call(DeadlineInterceptor(), within(1000), how_long, context=context)
    ) == pytest.approx(0.2)


@in_virtual_time
async def test_a_longer_deadline_of_the_client_does_not_stretch_the_contract_s() -> None:
    context = FakeGrpcContext(time_remaining_s=60)
    assert float(
        await send_call(DeadlineInterceptor(), within(1000), how_long, context=context)
    ) == pytest.approx(1.0)


@in_virtual_time
async def test_a_call_that_takes_too_long_is_stopped() -> None:
    with pytest.raises(DomainError) as caught:
        await send_call(DeadlineInterceptor(), within(20), too_long)
    assert caught.value.reason == "DEADLINE_EXCEEDED"


@in_virtual_time
async def test_the_task_of_a_stopped_call_can_go_on() -> None:
    with pytest.raises(DomainError):
        await send_call(DeadlineInterceptor(), within(10), too_long)
    await asyncio.sleep(0.01)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@in_virtual_time
async def test_a_call_that_its_client_cancels_is_not_late() -> None:
    call = CallContext()
    task = asyncio.create_task(send_call(DeadlineInterceptor(), within(1000), too_long, call=call))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert call.outcome == "OK"


@in_virtual_time
async def test_a_call_that_ends_in_time_is_left_alone() -> None:
    assert await send_call(DeadlineInterceptor(), within(30), respond_with()) == b"answer"
    await asyncio.sleep(0.05)


def test_a_stream_without_a_deadline_is_not_timed() -> None:
    proceed = respond_with()
    assert DeadlineInterceptor().bind(rpc("notification", "StreamNotifications"), proceed) is proceed

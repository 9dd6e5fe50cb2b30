import asyncio
from typing import Any

import pytest

from chassis.call_context import SENT_TIMEOUT_METADATA_KEY, CallContext
from chassis.errors import DomainError
from chassis.grpc.adaptive_concurrency import AdaptiveConcurrencyLimit
from chassis.grpc.handlers import RpcContext
from chassis.grpc.interceptors.admission import AdmissionInterceptor
from tests.fakes.grpc_context import FakeGrpcContext
from tests.fakes.interceptor_calls import fail_with, respond_with, rpc, send_call

LOGIN, STREAM = rpc("auth", "Login"), rpc("notification", "StreamNotifications")


async def test_a_call_beyond_the_bound_is_refused_at_once() -> None:
    admission, leave = AdmissionInterceptor(AdaptiveConcurrencyLimit(1), 1), asyncio.Event()

    async def stay(_request: Any, _context: RpcContext) -> bytes:
        await leave.wait()
        return b"done"

    inside = asyncio.create_task(send_call(admission, LOGIN, stay))
    await asyncio.sleep(0)
    with pytest.raises(DomainError) as caught:
        await send_call(admission, LOGIN, respond_with())
    assert caught.value.reason == "OVERLOADED"
    leave.set()
    assert await inside == b"done"
    assert await send_call(admission, LOGIN, respond_with()) == b"answer"


async def test_a_failed_call_gives_its_place_back() -> None:
    admission = AdmissionInterceptor(AdaptiveConcurrencyLimit(1), 1)
    for _ in range(3):
        with pytest.raises(KeyError):
            await send_call(admission, LOGIN, fail_with(KeyError()))


async def test_streams_do_not_take_the_places_of_calls() -> None:
    admission, leave = AdmissionInterceptor(AdaptiveConcurrencyLimit(1), 1), asyncio.Event()

    async def stay(_request: Any, _context: RpcContext) -> bytes:
        await leave.wait()
        return b""

    streaming = asyncio.create_task(send_call(admission, STREAM, stay, context=FakeGrpcContext()))
    await asyncio.sleep(0)
    assert await send_call(admission, LOGIN, respond_with()) == b"answer"
    leave.set()
    await streaming


async def test_a_call_that_has_spent_a_quarter_of_its_time_is_refused() -> None:
    admission = AdmissionInterceptor(AdaptiveConcurrencyLimit(1), 1)
    policy_s = LOGIN.policy.deadline_ms / 1000
    sent_with = CallContext(metadata={SENT_TIMEOUT_METADATA_KEY: str(LOGIN.policy.deadline_ms)})

    async def answer(left_s: float, call: CallContext) -> bytes:
        context = FakeGrpcContext(time_remaining_s=left_s)
        return await send_call(admission, LOGIN, respond_with(), context=context, call=call)

    with pytest.raises(DomainError) as caught:
        await answer(0.7 * policy_s, sent_with)
    assert caught.value.reason == "OVERLOADED"
    assert await answer(0.8 * policy_s, sent_with) == b"answer"
    assert await answer(0.1 * policy_s, CallContext()) == b"answer"
    again = {**sent_with.metadata, "grpc-previous-rpc-attempts": "1"}
    assert await answer(0.1 * policy_s, CallContext(metadata=again)) == b"answer"
    assert (
        await answer(0.1 * policy_s, CallContext(metadata={SENT_TIMEOUT_METADATA_KEY: "soon"})) == b"answer"
    )

import asyncio
from typing import Any

import pytest

from chassis.caller import SENT_WITH_KEY, Call
from chassis.errors import DomainError
from chassis.grpc.handlers import Context
from chassis.grpc.interceptors.admission import Admission
from chassis.grpc.pressure import Pressure
from tests.fakes.calls import answering, raising, rpc, send
from tests.fakes.grpc_context import FakeContext

LOGIN, STREAM = rpc("auth", "Login"), rpc("notification", "StreamNotifications")


async def test_a_call_beyond_the_bound_is_refused_at_once() -> None:
    admission, leave = Admission(Pressure(1), 1), asyncio.Event()

    async def stay(_request: Any, _context: Context) -> bytes:
        await leave.wait()
        return b"done"

    inside = asyncio.create_task(send(admission, LOGIN, stay))
    await asyncio.sleep(0)
    with pytest.raises(DomainError) as caught:
        await send(admission, LOGIN, answering())
    assert caught.value.reason == "OVERLOADED"
    leave.set()
    assert await inside == b"done"
    assert await send(admission, LOGIN, answering()) == b"answer"


async def test_a_failed_call_gives_its_place_back() -> None:
    admission = Admission(Pressure(1), 1)
    for _ in range(3):
        with pytest.raises(KeyError):
            await send(admission, LOGIN, raising(KeyError()))


async def test_streams_do_not_take_the_places_of_calls() -> None:
    admission, leave = Admission(Pressure(1), 1), asyncio.Event()

    async def stay(_request: Any, _context: Context) -> bytes:
        await leave.wait()
        return b""

    streaming = asyncio.create_task(send(admission, STREAM, stay, context=FakeContext()))
    await asyncio.sleep(0)
    assert await send(admission, LOGIN, answering()) == b"answer"
    leave.set()
    await streaming


async def test_a_call_that_has_waited_for_a_quarter_of_its_time_makes_room() -> None:
    admission = Admission(Pressure(1), 1)
    policy_s = LOGIN.policy.deadline_ms / 1000
    sent_with = Call(metadata={SENT_WITH_KEY: str(LOGIN.policy.deadline_ms)})

    async def answer(left_s: float, call: Call) -> bytes:
        context = FakeContext(time_remaining_s=left_s)
        return await send(admission, LOGIN, answering(), context=context, call=call)

    with pytest.raises(DomainError) as caught:
        await answer(0.7 * policy_s, sent_with)
    assert caught.value.reason == "OVERLOADED"
    assert await answer(0.8 * policy_s, sent_with) == b"answer"
    assert await answer(0.1 * policy_s, Call()) == b"answer"
    again = {**sent_with.metadata, "grpc-previous-rpc-attempts": "1"}
    assert await answer(0.1 * policy_s, Call(metadata=again)) == b"answer"
    assert await answer(0.1 * policy_s, Call(metadata={SENT_WITH_KEY: "soon"})) == b"answer"

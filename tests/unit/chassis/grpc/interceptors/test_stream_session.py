import asyncio
import time
from typing import Any

import pytest

from chassis.call_context import CallContext, Principal
from chassis.errors import DomainError
from chassis.grpc.handlers import RpcContext
from chassis.grpc.interceptors.stream_session import StreamSessionInterceptor
from tests.fakes.interceptor_calls import respond_with, rpc, send_call

STREAM, UNARY = rpc("notification", "StreamNotifications"), rpc("notification", "MarkRead")


class EndableSession:
    """Sessions, one of which ends when a test says so."""

    def __init__(self) -> None:
        self.has_ended = False
        self.looks = 0

    async def raise_if_revoked_now(self, session_id: str) -> None:
        assert session_id == "ses_1"
        self.looks += 1
        if self.has_ended:
            raise DomainError("SESSION_REVOKED", "Over.")


def somebody(expires_in_s: float = 900.0) -> CallContext:
    expires_at = time.time() + expires_in_s
    return CallContext(principal=Principal("usr_1", "STUDENT", session_id="ses_1", expires_at=expires_at))


async def endless(_request: Any, _context: RpcContext) -> bytes:
    await asyncio.Event().wait()
    return b""


async def ended_by(call: CallContext, sessions: EndableSession) -> str:
    with pytest.raises(DomainError) as error:
        await send_call(StreamSessionInterceptor(sessions, poll_interval_s=0.01), STREAM, endless, call=call)
    return error.value.reason


def test_only_streams_are_watched() -> None:
    proceed = respond_with()
    assert StreamSessionInterceptor(EndableSession()).bind(UNARY, proceed) is proceed


@pytest.mark.parametrize("stream", ["StreamNotifications", "StreamNotificationEvents"])
def test_every_stream_is_watched(stream: str) -> None:
    proceed = respond_with()
    assert (
        StreamSessionInterceptor(EndableSession()).bind(rpc("notification", stream), proceed) is not proceed
    )


async def test_a_stream_ends_when_its_session_does() -> None:
    sessions = EndableSession()
    stream = asyncio.create_task(ended_by(somebody(), sessions))
    while not sessions.looks:
        await asyncio.sleep(0.001)
    sessions.has_ended = True
    assert await stream == "SESSION_REVOKED"


async def test_a_stream_ends_when_its_token_expires() -> None:
    assert await ended_by(somebody(expires_in_s=-60), EndableSession()) == "TOKEN_EXPIRED"


async def test_a_stream_that_ends_by_itself_is_watched_no_longer() -> None:
    sessions = EndableSession()
    assert (
        await send_call(StreamSessionInterceptor(sessions, 0.001), STREAM, respond_with(b""), call=somebody())
        == b""
    )
    await asyncio.sleep(0)
    assert [task for task in asyncio.all_tasks() if "_end_in_time" in repr(task)] == []


async def test_a_reader_who_leaves_is_no_error_of_the_session() -> None:
    stream = asyncio.create_task(
        send_call(StreamSessionInterceptor(EndableSession()), STREAM, endless, call=somebody())
    )
    await asyncio.sleep(0)
    stream.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stream

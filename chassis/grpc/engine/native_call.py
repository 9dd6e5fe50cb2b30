"""One call of the native engine, and the context of its handler."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NoReturn

import grpc
from pygrpc_native import STREAM_FULL, STREAM_SENT, NativeGrpcFront

from chassis.grpc.engine.server_engine import StatusAnswer, serialize_message
from chassis.grpc.handlers import Metadata
from chassis.observability.logging import get_logger

_INITIAL_WRITE_PAUSE_S: Final = 0.005
_MAX_WRITE_PAUSE_S: Final = 0.1
_NO_DEADLINE_S: Final = float("inf")
_OK: Final = grpc.StatusCode.OK

CallDetails = tuple[tuple[tuple[str, str | bytes], ...], str, float | None]
"""Metadata, the address of the peer, and the seconds until the deadline; None without one."""


class NativeCall(grpc.aio.ServicerContext[Any, Any]):
    """Behaves as grpc.aio's context of a unary or server-streaming call; answers are never compressed."""

    def __init__(
        self, front: NativeGrpcFront, call_id: int, is_streaming: bool, details: CallDetails
    ) -> None:
        self.call_id = call_id
        self.task: asyncio.Task[None] | None = None
        self.has_begun = False
        self._front = front
        self._is_streaming = is_streaming
        self._metadata, self._peer, left_s = details
        self._deadline = _NO_DEADLINE_S if left_s is None else time.monotonic() + left_s
        self._initial_metadata: Metadata = ()
        self._trailing_metadata: Metadata = ()
        self._code = _OK
        self._details = ""
        self._is_cancelled = False
        self._is_done = False
        self._done_callbacks: list[Callable[[Any], None]] = []

    def invocation_metadata(self) -> Any:
        return self._metadata

    def time_remaining(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    def peer(self) -> str:
        return self._peer

    async def read(self) -> NoReturn:
        raise RuntimeError("the only request is the first argument of the handler")

    async def write(self, message: Any) -> None:
        raw = serialize_message(message)
        pause_s = _INITIAL_WRITE_PAUSE_S
        # The front could wait by itself, but only in a thread for each slow reader.
        while (sent := self._front.stream_try_send(self.call_id, raw)) == STREAM_FULL:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _MAX_WRITE_PAUSE_S)
        if sent != STREAM_SENT:
            # The client has gone: let the cancellation arrive.
            await asyncio.sleep(0)

    async def send_initial_metadata(self, initial_metadata: Any) -> None:
        if self._is_streaming:
            self._front.stream_send_initial_metadata(self.call_id, list(initial_metadata))
        else:
            self._initial_metadata = initial_metadata

    def set_trailing_metadata(self, trailing_metadata: Any) -> None:
        self._trailing_metadata = trailing_metadata

    def trailing_metadata(self) -> Any:
        return self._trailing_metadata

    def set_code(self, code: grpc.StatusCode) -> None:
        self._code = code

    def code(self) -> grpc.StatusCode:
        return self._code

    def set_details(self, details: str) -> None:
        self._details = details

    def details(self) -> str:
        return self._details

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing_metadata: Any = ()) -> NoReturn:
        self._code, self._details = code, details
        if trailing_metadata:
            self._trailing_metadata = trailing_metadata
        raise grpc.aio.AbortError("Locally aborted.")

    async def abort_with_status(self, status: grpc.Status) -> NoReturn:
        await self.abort(status.code, status.details, status.trailing_metadata or ())

    def cancelled(self) -> bool:
        return self._is_cancelled

    def done(self) -> bool:
        return self._is_done

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        if self._is_done:
            callback(self)
        else:
            self._done_callbacks.append(callback)

    def set_compression(self, compression: grpc.Compression) -> None: ...

    def disable_next_message_compression(self) -> None: ...

    def peer_identities(self) -> Iterable[bytes] | None:
        return None

    def peer_identity_key(self) -> str | None:
        return None

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        return {}

    def cancel(self) -> None:
        """Cancel the handler: the client has gone, or its deadline has passed.

        A task that is cancelled before its first step never runs; so one that has not begun finds out itself.
        """
        self._is_cancelled = True
        if self.task is not None and self.has_begun:
            self.task.cancel()

    def end(self, answer: bytes) -> None:
        """End the call as the handler left it: with `answer`, or the status that it set."""
        if self._code is not _OK:
            self.end_aborted()
        elif self._is_streaming:
            self._front.stream_end(self.call_id, list(self._trailing_metadata))
        else:
            self._front.respond(
                self.call_id, answer, list(self._initial_metadata), list(self._trailing_metadata)
            )

    def end_aborted(self) -> None:
        """End the call with the status that the handler set."""
        code = grpc.StatusCode.UNKNOWN if self._code is _OK else self._code
        self.fail(StatusAnswer(code, self._details, self._trailing_metadata))

    def fail(self, status: StatusAnswer) -> None:
        """End the call with an error; initial metadata of a unary call goes out with it."""
        metadata = (*self._initial_metadata, *status.trailing_metadata)
        fail_call(self._front, self.call_id, StatusAnswer(status.code, status.message, metadata))

    def run_done_callbacks(self) -> None:
        """Tell those who wait for the end of the call."""
        self._is_done = True
        for callback in self._done_callbacks:
            try:
                callback(self)
            except Exception as error:
                get_logger().error("done callback failed", exc_info=error)


def fail_call(front: NativeGrpcFront, call_id: int, status: StatusAnswer) -> None:
    """End a call with an error."""
    front.fail(call_id, status.code.value[0], status.message, list(status.trailing_metadata))

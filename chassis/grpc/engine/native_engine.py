"""The engine on pygrpc-native: HTTP/2 and gRPC framing run in Rust, outside the GIL.

It uses the package's low-level API, whose names and tuples are stable within 0.x. Calls arrive in batches on
a thread, which hands them to the event loop; there each call is a task.
"""

import asyncio
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import grpc
from pygrpc_native import EVENT_CANCEL, NativeGrpcFront

from chassis.grpc.engine.grpcio_engine import grpcio_options
from chassis.grpc.engine.native_call import NativeCall, fail_call
from chassis.grpc.engine.server_engine import EngineMethod, EnginePolicy, StatusAnswer
from chassis.grpc.handlers import RpcHandler
from chassis.observability.logging import get_logger
from chassis.security.mutual_tls import MutualTls

_MAX_EVENTS_PER_BATCH: Final = 64
_FLUSH_S: Final = 0.25
_IO_THREADS: Final = 1
"""A second thread costs CPU on each call, and one carries more calls than Python can answer."""


class NativeEngine:
    """Serves unary and server-streaming methods in Rust, and the rest with a grpcio server behind it.

    Made up here, as the package does not have it: the bound on pending calls, and waiting for slow readers of
    streams without a thread each. Absent: an age of connections (clients balance calls, not connections) and
    TLS (Envoy and sidecars end it).
    """

    def __init__(self, policy: EnginePolicy) -> None:
        self._policy = policy
        self._grpcio_server = grpc.aio.server(options=grpcio_options(policy))
        self._methods: list[EngineMethod] = []
        self._front: NativeGrpcFront | None = None
        self._socket_folder: Path | None = None
        self._receiver: _Receiver | None = None

    @property
    def grpcio_server(self) -> grpc.aio.Server:
        return self._grpcio_server

    def add_methods(self, methods: Iterable[EngineMethod]) -> None:
        self._methods.extend(methods)

    def listen(self, address: str, tls: MutualTls | None = None) -> int:
        if tls is not None:
            raise ValueError("the native engine has no TLS; grpcio has")
        policy = self._policy
        try:
            self._front = NativeGrpcFront(
                address,
                [(method.path, method.is_streaming) for method in self._methods],
                io_threads=_IO_THREADS,
                call_details=True,
                delay_stream_headers=True,
                keepalive_time_ms=policy.keepalive_time_ms,
                keepalive_timeout_ms=policy.keepalive_timeout_ms,
                max_concurrent_streams=policy.max_calls_per_connection,
                max_metadata_size=policy.max_metadata_bytes,
            )
        except OSError as error:
            raise OSError(f"cannot listen on {address}: {error}") from error
        return self._front.bound_port

    async def start(self) -> None:
        if self._front is None:
            raise RuntimeError("call `listen` before `start`")
        self._socket_folder = Path(tempfile.mkdtemp(prefix="internshipconnect-grpc-"))
        socket = self._socket_folder / "grpcio.sock"
        self._grpcio_server.add_insecure_port(f"unix:{socket}")
        await self._grpcio_server.start()
        self._front.set_fallback(str(socket))
        self._receiver = _Receiver(self._front, self._methods, self._policy)
        self._front.start()
        self._receiver.start()

    async def stop(self, grace_s: float) -> None:
        front, receiver = self._front, self._receiver
        if receiver is not None:
            await asyncio.gather(receiver.drain(grace_s), self._grpcio_server.stop(grace_s))
        if front is not None:
            if grace_s:
                # The last answers may still be with the IO thread, and closing would drop them.
                await asyncio.sleep(_FLUSH_S)
            # It waits for the threads of the engine, which may wait for the GIL.
            await asyncio.to_thread(front.close)
        if self._socket_folder is not None:
            shutil.rmtree(self._socket_folder, ignore_errors=True)


class _Receiver:
    """Receives calls and runs their handlers in tasks."""

    def __init__(self, front: NativeGrpcFront, methods: Iterable[EngineMethod], policy: EnginePolicy) -> None:
        self._front = front
        self._methods = tuple(methods)
        self._policy = policy
        self._max_concurrent_calls = policy.max_concurrent_calls or sys.maxsize
        self._calls: dict[int, NativeCall] = {}
        self._loop = asyncio.get_running_loop()
        self._received = 0
        """Calls handed to the event loop; written by the receiving thread only."""
        self._begun = 0
        """Calls of those whose handlers have begun; written by the event loop only."""

    def start(self) -> None:
        threading.Thread(target=self._receive_calls, name="grpc-receiver", daemon=True).start()

    async def drain(self, grace_s: float) -> None:
        """Let calls in flight finish, then cancel those that are left."""
        ends_at = time.monotonic() + grace_s
        while (tasks := self._tasks()) and (left_s := ends_at - time.monotonic()) > 0:
            await asyncio.wait(tasks, timeout=left_s)
        # Tasks that have been made begin: one that is cancelled before would not end its call.
        await asyncio.sleep(0)
        tasks = self._tasks()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _tasks(self) -> "list[asyncio.Task[None]]":
        return [call.task for call in self._calls.values() if call.task is not None]

    def _receive_calls(self) -> None:
        while (events := self._front.recv_batch_details(_MAX_EVENTS_PER_BATCH)) is not None:
            if self._received - self._begun > self._policy.max_pending_calls:
                events = self._refuse_calls(events)
            self._received += sum(event[0] != EVENT_CANCEL for event in events)
            try:
                self._loop.call_soon_threadsafe(self._begin_calls, events)
            except RuntimeError:
                # The loop was closed without `stop`.
                self._front.close()
                return

    def _refuse_calls(self, events: list[Any]) -> list[Any]:
        """Refuse the calls among `events` and return the cancellations."""
        refusal = self._policy.refuse_pending_call()
        for event in events:
            if event[0] != EVENT_CANCEL:
                fail_call(self._front, event[1], refusal)
        return [event for event in events if event[0] == EVENT_CANCEL]

    def _begin_calls(self, events: list[Any]) -> None:
        for kind, call_id, method_id, payload, _, details in events:
            if kind == EVENT_CANCEL:
                if (gone := self._calls.get(call_id)) is not None:
                    gone.cancel()
                continue
            if len(self._calls) >= self._max_concurrent_calls:
                self._begun += 1
                fail_call(self._front, call_id, self._policy.refuse_pending_call())
                continue
            method = self._methods[method_id]
            call = NativeCall(self._front, call_id, method.is_streaming, details)
            self._calls[call_id] = call
            call.task = self._loop.create_task(self._answer(call, method, payload))

    async def _answer(self, call: NativeCall, method: EngineMethod, payload: bytes) -> None:
        self._begun += 1
        call.has_begun = True
        try:
            if call.cancelled():
                return
            if len(payload) > self._policy.max_message_bytes:
                call.fail(_message_too_large(len(payload), self._policy.max_message_bytes))
            else:
                await _run_handler(call, method, payload)
        finally:
            del self._calls[call.call_id]
            call.run_done_callbacks()


async def _run_handler(call: NativeCall, method: EngineMethod, payload: bytes) -> None:
    handler: RpcHandler = method.handler
    try:
        answer = await handler(payload, call)
    except grpc.aio.AbortError:
        call.end_aborted()
    except asyncio.CancelledError:
        if not call.cancelled():
            call.fail(StatusAnswer(grpc.StatusCode.CANCELLED, "The server stopped."))
    except Exception as error:
        get_logger().error("handler failed", method=method.path, exc_info=error)
        call.fail(StatusAnswer(grpc.StatusCode.UNKNOWN, f"Unexpected {type(error)}: {error}"))
    else:
        call.end(answer)


def _message_too_large(size: int, max_size: int) -> StatusAnswer:
    return StatusAnswer(
        grpc.StatusCode.RESOURCE_EXHAUSTED, f"A message of {size} bytes; at most {max_size} are allowed."
    )

"""The contract of `ServerEngine`: the same tests on both engines, over real connections."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

import grpc
import pytest
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RemoteSettingsChanged
from h2.settings import SettingCodes

from chassis.grpc.engine.engines import EngineName, build_engine
from chassis.grpc.engine.server_engine import EngineMethod, EnginePolicy, ServerEngine, StatusAnswer
from chassis.grpc.handlers import RpcContext, RpcHandler
from tests.waiting import WAIT_TIMEOUT_S, wait_until

UNARY: Final = "/test.v1.EchoService/Unary"
STREAM: Final = "/test.v1.EchoService/Stream"
POLICY: Final = EnginePolicy(
    max_message_bytes=64 * 1024,
    max_metadata_bytes=16 * 1024,
    refuse_pending_call=lambda: StatusAnswer(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", (("x-full", "1"),)),
)
MIB: Final = 1024 * 1024
FLOOD_MESSAGES: Final = 1_500
"""Of 64 KiB each: far more than connections and clients buffer."""


async def _echo(request: bytes, _context: RpcContext) -> bytes:
    return request


async def _no_answers(_request: bytes, _context: RpcContext) -> bytes:
    return b""


@dataclass
class EngineHarness:
    """A running engine whose two methods do what a test sets."""

    engine: ServerEngine
    address: str = ""
    unary: RpcHandler = _echo
    stream: RpcHandler = _no_answers
    channels: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def call_unary(self, request: bytes, context: RpcContext) -> bytes:
        return await self.unary(request, context)

    async def call_stream(self, request: bytes, context: RpcContext) -> bytes:
        return await self.stream(request, context)

    async def channel(self, **options: int) -> Any:
        named = [(f"grpc.{name}", value) for name, value in options.items()]
        # A connection of its own: grpcio shares those of equal channels.
        named.append(("grpc.use_local_subchannel_pool", 1))
        return await self.channels.enter_async_context(grpc.aio.insecure_channel(self.address, named))


@asynccontextmanager
async def running_engine(name: EngineName, policy: EnginePolicy = POLICY) -> AsyncIterator[EngineHarness]:
    engine = build_engine(name, policy)
    harness = EngineHarness(engine)
    engine.add_methods(
        [
            EngineMethod(UNARY, is_streaming=False, handler=harness.call_unary),
            EngineMethod(STREAM, is_streaming=True, handler=harness.call_stream),
        ]
    )
    reflection.enable_server_reflection(("test.v1.EchoService",), engine.grpcio_server)
    harness.address = f"127.0.0.1:{engine.listen('127.0.0.1:0')}"
    await engine.start()
    try:
        async with harness.channels:
            yield harness
    finally:
        await engine.stop(0)


@pytest.fixture
async def harness(engine_name: EngineName) -> AsyncIterator[EngineHarness]:
    async with running_engine(engine_name) as harness:
        yield harness


async def failure(call: Awaitable[Any]) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


async def test_bytes_arrive_and_return_unchanged(harness: EngineHarness) -> None:
    channel = await harness.channel()
    raw = bytes(range(256)) * 200
    assert await channel.unary_unary(UNARY)(raw) == raw
    assert await channel.unary_unary(UNARY)(b"") == b""


async def test_metadata_arrives_with_binary_values_and_repeated_keys_in_order(harness: EngineHarness) -> None:
    seen: list[Any] = []

    async def look(_request: bytes, context: RpcContext) -> bytes:
        seen.extend(context.invocation_metadata() or ())
        return b""

    harness.unary = look
    sent = (("x-a", "1"), ("x-raw-bin", b"\x00\xff\n"), ("x-a", "2, 3"), ("x-empty", ""))
    await (await harness.channel()).unary_unary(UNARY)(b"", metadata=sent)
    # Only values of one key have an order.
    ours = sorted((tuple(pair) for pair in seen if pair[0].startswith("x-")), key=lambda pair: pair[0])
    assert ours == sorted(sent, key=lambda pair: pair[0])


async def test_initial_and_trailing_metadata_arrive_with_binary_values(harness: EngineHarness) -> None:
    async def add(_request: bytes, context: RpcContext) -> bytes:
        await context.send_initial_metadata((("x-first", "a"), ("x-first-bin", b"\x00\x80")))
        context.set_trailing_metadata((("x-last", "z"), ("x-last-bin", b"\xff\x00")))
        return b"ok"

    harness.unary = add
    call = (await harness.channel()).unary_unary(UNARY)(b"")
    assert await call == b"ok"
    assert {("x-first", "a"), ("x-first-bin", b"\x00\x80")} <= set(await call.initial_metadata())
    assert {("x-last", "z"), ("x-last-bin", b"\xff\x00")} <= set(await call.trailing_metadata())


async def test_an_aborted_call_ends_with_its_status_and_details(harness: EngineHarness) -> None:
    async def refuse(_request: bytes, context: RpcContext) -> bytes:
        await context.send_initial_metadata((("x-first", "a"),))
        await context.abort(
            grpc.StatusCode.FAILED_PRECONDITION,
            "né: 100 % \n ok",
            (("grpc-status-details-bin", b"\x08\x09"),),
        )

    harness.unary = harness.stream = refuse
    channel = await harness.channel()
    for call in (channel.unary_unary(UNARY)(b""), channel.unary_stream(STREAM)(b"").read()):
        error = await failure(call)
        assert (error.code(), error.details()) == (grpc.StatusCode.FAILED_PRECONDITION, "né: 100 % \n ok")
        assert ("grpc-status-details-bin", b"\x08\x09") in tuple(error.trailing_metadata() or ())
        everything = (*(error.initial_metadata() or ()), *(error.trailing_metadata() or ()))
        assert ("x-first", "a") in tuple(everything)


async def test_a_handler_that_fails_ends_its_call_only(harness: EngineHarness) -> None:
    async def fail(_request: bytes, _context: RpcContext) -> bytes:
        raise ValueError("a fault of ours")

    harness.unary = fail
    channel = await harness.channel()
    assert (await failure(channel.unary_unary(UNARY)(b""))).code() is grpc.StatusCode.UNKNOWN
    harness.unary = _echo
    assert await channel.unary_unary(UNARY)(b"next") == b"next"


async def test_the_handler_knows_the_deadline_and_is_cancelled_at_it(harness: EngineHarness) -> None:
    left: list[float | None] = []
    cancelled = asyncio.Event()

    async def wait(_request: bytes, context: RpcContext) -> bytes:
        left.append(context.time_remaining())
        try:
            await asyncio.sleep(WAIT_TIMEOUT_S)
        finally:
            cancelled.set()
        return b""

    harness.unary = wait
    call = (await harness.channel()).unary_unary(UNARY)(b"", timeout=0.5)
    assert (await failure(call)).code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await asyncio.wait_for(cancelled.wait(), WAIT_TIMEOUT_S)
    assert left[0] is not None and 0 < left[0] <= 0.505


async def test_a_call_without_a_deadline_has_no_end(harness: EngineHarness) -> None:
    left: list[float | None] = []

    async def look(_request: bytes, context: RpcContext) -> bytes:
        left.append(context.time_remaining())
        return b""

    harness.unary = look
    await (await harness.channel()).unary_unary(UNARY)(b"")
    assert left[0] is None or left[0] > 10**6


async def test_a_client_that_cancels_cancels_the_handler(harness: EngineHarness) -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def wait(_request: bytes, _context: RpcContext) -> bytes:
        begun.set()
        try:
            await asyncio.sleep(WAIT_TIMEOUT_S)
        finally:
            cancelled.set()
        return b""

    harness.unary = harness.stream = wait
    channel = await harness.channel()
    for method in (channel.unary_unary(UNARY), channel.unary_stream(STREAM)):
        call = method(b"")
        await asyncio.wait_for(begun.wait(), WAIT_TIMEOUT_S)
        call.cancel()
        await asyncio.wait_for(cancelled.wait(), WAIT_TIMEOUT_S)
        begun.clear()
        cancelled.clear()


async def test_a_connection_that_breaks_cancels_its_handlers(harness: EngineHarness) -> None:
    cancelled = asyncio.Event()
    begun = asyncio.Event()

    async def wait(_request: bytes, _context: RpcContext) -> bytes:
        begun.set()
        try:
            await asyncio.sleep(WAIT_TIMEOUT_S)
        finally:
            cancelled.set()
        return b""

    harness.unary = wait
    reader, writer, connection = await _raw_connection(harness)
    _send_headers(connection, 1, UNARY)
    connection.send_data(1, b"\x00\x00\x00\x00\x00", end_stream=True)
    writer.write(connection.data_to_send())
    await asyncio.wait_for(begun.wait(), WAIT_TIMEOUT_S)
    writer.transport.abort()
    await asyncio.wait_for(cancelled.wait(), WAIT_TIMEOUT_S)
    assert reader is not None


async def test_too_large_a_message_or_too_much_metadata_is_refused(harness: EngineHarness) -> None:
    channel = await harness.channel(max_metadata_size=MIB, absolute_max_metadata_size=MIB)
    call = channel.unary_unary(UNARY)
    assert (await failure(call(b"x" * 65_537))).code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert len(await call(b"x" * 65_536)) == 65_536
    # The native engine refuses by the HTTP status 431, which gRPC clients report as UNKNOWN.
    refused = await failure(call(b"", metadata=(("x-much", "m" * 40_000),)))
    assert refused.code() in {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNKNOWN}
    assert await call(b"", metadata=(("x-some", "m" * 8_000),)) == b""


async def test_a_stream_sends_each_message_when_it_is_written(harness: EngineHarness) -> None:
    read = asyncio.Event()

    async def write(_request: bytes, context: RpcContext) -> bytes:
        await context.send_initial_metadata((("x-first", "a"),))
        await read.wait()
        for number in range(3):
            await context.write(str(number).encode())
        context.set_trailing_metadata((("x-last", "z"),))
        return b""

    harness.stream = write
    call = (await harness.channel()).unary_stream(STREAM)(b"")
    assert ("x-first", "a") in tuple(await call.initial_metadata())
    read.set()
    assert [message async for message in call] == [b"0", b"1", b"2"]
    assert ("x-last", "z") in tuple(await call.trailing_metadata())


async def test_a_slow_reader_holds_its_own_stream_only(harness: EngineHarness) -> None:
    written: dict[bytes, int] = {}

    async def flood(request: bytes, context: RpcContext) -> bytes:
        for number in range(1, FLOOD_MESSAGES + 1):
            await context.write(b"x" * 65_536)
            written[request] = number
        return b""

    harness.stream = flood
    slow = [(await harness.channel()).unary_stream(STREAM)(b"slow %d" % number) for number in range(20)]
    for call in slow:
        await call.read()
    fast = (await harness.channel()).unary_stream(STREAM)(b"fast")
    assert sum([1 async for _ in fast]) == FLOOD_MESSAGES
    assert await (await harness.channel()).unary_unary(UNARY)(b"still there") == b"still there"
    # Not all is buffered for those who do not read.
    await asyncio.sleep(0.2)
    assert max(count for name, count in written.items() if name != b"fast") < FLOOD_MESSAGES / 2
    for call in slow:
        call.cancel()


async def test_stopping_lets_calls_finish_and_cancels_the_rest(engine_name: EngineName) -> None:
    async with running_engine(engine_name) as harness:
        begun: list[bytes] = []
        cancelled = asyncio.Event()

        async def work(request: bytes, _context: RpcContext) -> bytes:
            begun.append(request)
            try:
                await asyncio.sleep(0.3 if request == b"short" else WAIT_TIMEOUT_S)
            except asyncio.CancelledError:
                cancelled.set()
                raise
            return request

        harness.unary = work
        call = (await harness.channel()).unary_unary(UNARY)
        short, endless = asyncio.ensure_future(call(b"short")), asyncio.ensure_future(call(b"endless"))
        await wait_until(lambda: len(begun) == 2)
        await harness.engine.stop(1.5)
        assert await short == b"short"
        assert (await failure(endless)).code() in {
            grpc.StatusCode.CANCELLED,
            grpc.StatusCode.UNAVAILABLE,
        }
        assert cancelled.is_set()
        late = await failure((await harness.channel()).unary_unary(UNARY)(b"", timeout=5))
        assert late.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_port_that_is_taken_is_an_error(harness: EngineHarness, engine_name: EngineName) -> None:
    with pytest.raises(OSError, match="cannot listen"):
        build_engine(engine_name, POLICY).listen(harness.address)


async def test_reflection_answers_beside_the_methods(harness: EngineHarness) -> None:
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(await harness.channel())
    call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
    listed = (await call.read()).list_services_response.service
    assert [each.name for each in listed] == ["test.v1.EchoService"]


@pytest.mark.parametrize("path", ["/test.v1.EchoService/Missing", "/other.v1.Service/Call", "/", "/x"])
async def test_an_unknown_method_is_unimplemented(harness: EngineHarness, path: str) -> None:
    error = await failure((await harness.channel()).unary_unary(path)(b""))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_one_connection_has_a_bounded_number_of_calls_even_without_messages(
    engine_name: EngineName,
) -> None:
    async with running_engine(engine_name, replace(POLICY, max_calls_per_connection=10)) as harness:
        reader, writer, connection = await _raw_connection(harness)
        assert connection.remote_settings.max_concurrent_streams == 10
        for stream in range(1, 21, 2):
            _send_headers(connection, stream, UNARY)
        writer.write(connection.data_to_send())
        # Those who begin calls and send nothing hold their own connection only.
        assert await (await harness.channel()).unary_unary(UNARY)(b"other") == b"other"
        connection.send_data(1, b"\x00\x00\x00\x00\x02hi", end_stream=True)
        writer.write(connection.data_to_send())
        assert b"hi" in await asyncio.wait_for(_read_until(reader, connection, b"hi"), WAIT_TIMEOUT_S)
        writer.transport.abort()


async def test_calls_that_a_busy_process_cannot_begin_are_refused(engine_name: EngineName) -> None:
    """Block the event loop, as a process does that has no time, and send more than may wait."""
    async with running_engine(engine_name, replace(POLICY, max_pending_calls=40)) as harness:
        begun: list[bytes] = []

        async def count(request: bytes, _context: RpcContext) -> bytes:
            begun.append(request)
            return request

        harness.unary = count
        codes: list[str] = []

        def flood() -> None:
            channels = [
                grpc.insecure_channel(harness.address, [("grpc.use_local_subchannel_pool", 1)])
                for _ in range(4)
            ]
            futures: list[Any] = [
                _untyped(channel).unary_unary(UNARY).future(b"x", timeout=30)
                for _ in range(200)
                for channel in channels
            ]
            codes.extend(future.code().name for future in futures)

        await (await harness.channel()).unary_unary(UNARY)(b"warm")
        thread = threading.Thread(target=flood)
        thread.start()
        time.sleep(1.5)
        await asyncio.to_thread(thread.join)
        assert codes.count("OK") + len([code for code in codes if code != "OK"]) == 800
        # One batch may be on its way when the bound is reached.
        assert 1 <= codes.count("OK") <= 40 + 4 * 64
        assert set(codes) <= {"OK", "RESOURCE_EXHAUSTED", "CANCELLED", "UNAVAILABLE"}
        assert await (await harness.channel()).unary_unary(UNARY)(b"after") == b"after"


async def test_calls_that_are_cancelled_before_they_begin_leave_nothing(engine_name: EngineName) -> None:
    async with running_engine(
        engine_name, replace(POLICY, max_pending_calls=60, max_concurrent_calls=30)
    ) as harness:
        gone: list[str] = []

        def call_and_leave() -> None:
            with grpc.insecure_channel(harness.address) as channel:
                calls = [_untyped(channel).unary_unary(UNARY).future(b"x", timeout=0.2) for _ in range(20)]
                gone.extend(call.code().name for call in calls)

        for _ in range(3):
            thread = threading.Thread(target=call_and_leave)
            thread.start()
            # The event loop is busy until the clients have left.
            time.sleep(0.5)
            await asyncio.to_thread(thread.join)
        assert "DEADLINE_EXCEEDED" in gone
        call = (await harness.channel()).unary_unary(UNARY)
        # grpcio counts them until the event loop has come to them.
        await wait_until(lambda: _is_answered(call))
        assert [await call(b"next") for _ in range(70)] == [b"next"] * 70


async def test_the_calls_in_progress_are_bounded(engine_name: EngineName) -> None:
    async with running_engine(engine_name, replace(POLICY, max_concurrent_calls=3)) as harness:
        leave, begun = asyncio.Event(), []

        async def wait(request: bytes, _context: RpcContext) -> bytes:
            begun.append(request)
            await leave.wait()
            return request

        harness.unary = wait
        call = (await harness.channel()).unary_unary(UNARY)
        inside = [asyncio.ensure_future(call(b"in")) for _ in range(3)]
        await wait_until(lambda: len(begun) == 3)
        assert (await failure(call(b"out"))).code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        leave.set()
        assert await asyncio.gather(*inside) == [b"in"] * 3
        assert await call(b"next") == b"next"


async def test_two_thousand_connections_are_served(harness: EngineHarness) -> None:
    connections = [await _raw_connection(harness) for _ in range(2_000)]
    for reader, writer, connection in connections:
        _send_headers(connection, 1, UNARY)
        connection.send_data(1, b"\x00\x00\x00\x00\x02hi", end_stream=True)
        writer.write(connection.data_to_send())
        answer = await asyncio.wait_for(_read_until(reader, connection, b"hi"), WAIT_TIMEOUT_S)
        assert b"hi" in answer
    for _, writer, _ in connections:
        writer.transport.abort()


async def _raw_connection(
    harness: EngineHarness,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, H2Connection]:
    """Connect without gRPC and return once the server's settings are known."""
    host, port = harness.address.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
    connection.initiate_connection()
    writer.write(connection.data_to_send())
    while not any(
        isinstance(event, RemoteSettingsChanged)
        and SettingCodes.MAX_CONCURRENT_STREAMS in event.changed_settings
        for event in connection.receive_data(await reader.read(65_536))
    ):
        pass
    writer.write(connection.data_to_send())
    return reader, writer, connection


def _send_headers(connection: H2Connection, stream: int, path: str) -> None:
    connection.send_headers(
        stream,
        [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "localhost"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
        ],
    )


async def _read_until(reader: asyncio.StreamReader, connection: H2Connection, wanted: bytes) -> bytes:
    received = b""
    while wanted not in received:
        data = await reader.read(65_536)
        if not data:
            return received
        for event in connection.receive_data(data):
            received += getattr(event, "data", b"") or b""
    return received


async def _is_answered(call: Any) -> bool:
    try:
        return bool(await call(b"next"))
    except grpc.aio.AioRpcError:
        return False


def _untyped(channel: Any) -> Any:
    return channel

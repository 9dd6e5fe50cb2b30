"""The contract of `ServerEngine`: the same tests on both engines, over real connections."""

import asyncio
from typing import Any, Final

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from chassis.grpc.engine.engines import EngineName, build_engine
from chassis.grpc.handlers import RpcContext
from tests.integration.chassis.grpc.engine_harness import (
    POLICY,
    STREAM,
    UNARY,
    EngineHarness,
    echo,
    failure,
    open_raw_connection,
    running_engine,
    send_headers,
)
from tests.waiting import WAIT_TIMEOUT_S, wait_until

MIB: Final = 1024 * 1024
FLOOD_MESSAGES: Final = 1_500
"""Of 64 KiB each: far more than connections and clients buffer."""


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
    harness.unary = echo
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
    reader, writer, connection = await open_raw_connection(harness)
    send_headers(connection, 1, UNARY)
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

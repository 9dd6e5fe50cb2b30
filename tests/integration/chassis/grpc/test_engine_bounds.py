"""The bounds of `ServerEngine`: connections, calls in progress and calls that wait, on both engines."""

import asyncio
import threading
import time
from dataclasses import replace
from typing import Any

import grpc

from chassis.grpc.engine.engines import EngineName
from chassis.grpc.handlers import RpcContext
from tests.integration.chassis.grpc.engine_harness import (
    POLICY,
    UNARY,
    EngineHarness,
    failure,
    open_raw_connection,
    read_until,
    running_engine,
    send_headers,
)
from tests.waiting import WAIT_TIMEOUT_S, wait_until


async def test_one_connection_has_a_bounded_number_of_calls_even_without_messages(
    engine_name: EngineName,
) -> None:
    async with running_engine(engine_name, replace(POLICY, max_calls_per_connection=10)) as harness:
        reader, writer, connection = await open_raw_connection(harness)
        assert connection.remote_settings.max_concurrent_streams == 10
        for stream in range(1, 21, 2):
            send_headers(connection, stream, UNARY)
        writer.write(connection.data_to_send())
        # Those who begin calls and send nothing hold their own connection only.
        assert await (await harness.channel()).unary_unary(UNARY)(b"other") == b"other"
        connection.send_data(1, b"\x00\x00\x00\x00\x02hi", end_stream=True)
        writer.write(connection.data_to_send())
        assert b"hi" in await asyncio.wait_for(read_until(reader, connection, b"hi"), WAIT_TIMEOUT_S)
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
    connections = [await open_raw_connection(harness) for _ in range(2_000)]
    for reader, writer, connection in connections:
        send_headers(connection, 1, UNARY)
        connection.send_data(1, b"\x00\x00\x00\x00\x02hi", end_stream=True)
        writer.write(connection.data_to_send())
        answer = await asyncio.wait_for(read_until(reader, connection, b"hi"), WAIT_TIMEOUT_S)
        assert b"hi" in answer
    for _, writer, _ in connections:
        writer.transport.abort()


async def _is_answered(call: Any) -> bool:
    try:
        return bool(await call(b"next"))
    except grpc.aio.AioRpcError:
        return False


def _untyped(channel: Any) -> Any:
    return channel

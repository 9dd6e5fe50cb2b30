"""An engine with two methods that do what a test sets, and connections to it without gRPC."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
import pytest
from grpc_reflection.v1alpha import reflection
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RemoteSettingsChanged
from h2.settings import SettingCodes

from chassis.grpc.engine.engines import EngineName, build_engine
from chassis.grpc.engine.server_engine import EngineMethod, EnginePolicy, ServerEngine, StatusAnswer
from chassis.grpc.handlers import RpcContext, RpcHandler

UNARY: Final = "/test.v1.EchoService/Unary"
STREAM: Final = "/test.v1.EchoService/Stream"
POLICY: Final = EnginePolicy(
    max_message_bytes=64 * 1024,
    max_metadata_bytes=16 * 1024,
    refuse_pending_call=lambda: StatusAnswer(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", (("x-full", "1"),)),
)


async def echo(request: bytes, _context: RpcContext) -> bytes:
    return request


async def _no_answers(_request: bytes, _context: RpcContext) -> bytes:
    return b""


@dataclass
class EngineHarness:
    """A running engine whose two methods do what a test sets."""

    engine: ServerEngine
    address: str = ""
    unary: RpcHandler = echo
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


async def failure(call: Awaitable[Any]) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


async def open_raw_connection(
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


def send_headers(connection: H2Connection, stream: int, path: str) -> None:
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


async def read_until(reader: asyncio.StreamReader, connection: H2Connection, wanted: bytes) -> bytes:
    received = b""
    while wanted not in received:
        data = await reader.read(65_536)
        if not data:
            return received
        for event in connection.receive_data(data):
            received += getattr(event, "data", b"") or b""
    return received

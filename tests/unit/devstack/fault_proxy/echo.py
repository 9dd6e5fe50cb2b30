"""An echo server on the loopback interface, and a front before it, on the event loop that the proxy has."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable
from contextlib import suppress

import uvloop

from devstack.fault_proxy.model import StoreFault
from devstack.fault_proxy.proxy import StoreListener, StoreRoute
from devstack.topology_parts import LOOPBACK
from tests.ports import free_port


class EchoTcpServer:
    """Sends back what it gets; `heard` is everything, `clients` how many ever came."""

    def __init__(self) -> None:
        self.heard = b""
        self.clients = 0
        self.broken = 0

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._connected, LOOPBACK, 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def stop(self) -> None:
        self._server.close()

    async def _connected(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.clients += 1
        try:
            while data := await reader.read(65_536):
                self.heard += data
                writer.write(data)
                await writer.drain()
            writer.write(b"that was all")
        except ConnectionError:
            self.broken += 1
        with suppress(ConnectionError):
            writer.close()


class ProxiedEchoServer:
    """A front before an echo server, and clients of it."""

    def __init__(self, echo: EchoTcpServer, front: StoreListener) -> None:
        self.echo = echo
        self.front = front
        self._writers: list[StreamWriter] = []

    def obey(self, **fault: object) -> None:
        self.front.apply_fault(StoreFault.model_validate(fault) if fault else None)

    async def client(self) -> tuple[StreamReader, StreamWriter]:
        reader, writer = await asyncio.open_connection(LOOPBACK, self.front.route.known)
        self._writers.append(writer)
        return reader, writer

    def leave(self) -> None:
        for writer in self._writers:
            writer.close()


def on_its_loop(scenario: Callable[[ProxiedEchoServer], Awaitable[None]]) -> Callable[[], None]:
    """Make a test of a scenario, on the event loop that the proxy runs on, which is not pytest's."""

    async def play() -> None:
        echo = EchoTcpServer()
        front = StoreListener(StoreRoute("echo", free_port(), await echo.start()))
        await front.open()
        before = ProxiedEchoServer(echo, front)
        try:
            await scenario(before)
        finally:
            before.leave()
            await front.close()
            echo.stop()

    return lambda: uvloop.run(play())

"""Clients who are slow or never finish: opened at once, and watched until they are sent away."""

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, ResponseReceived, StreamReset

from devstack.topology_parts import LOOPBACK
from tests.stack import StackHandle

SLOW_HEADERS: Final = "headers, a byte a second"
SLOW_BODY: Final = "a body, a byte a second"
MISSING_BODY: Final = "headers over HTTP/2, and never a body"
IDLE_CONNECTION: Final = "a connection, and nothing else"
CLIENT_COUNTS: Final = {SLOW_HEADERS: 100, SLOW_BODY: 50, MISSING_BODY: 100, IDLE_CONNECTION: 200}
REFUSED_STREAM_CODES: Final = (ErrorCodes.REFUSED_STREAM, ErrorCodes.ENHANCE_YOUR_CALM)
"""How gRPC refuses one call too many of a connection; the second to who has not read its settings."""
OBSERVATION_S: Final = 50.0
LOGIN_PATH: Final = "/api/v1/auth/login"
_REQUEST_HEAD: Final = (
    f"POST {LOGIN_PATH} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n".encode()
)


@dataclass(frozen=True)
class SlowClientOutcome:
    """The end of one slow client: after how many seconds, and with which first bytes; None for never."""

    kind: str
    after_s: float | None
    said: bytes = b""


class SlowClients:
    """Holds the gateway from a thread of its own. `endings` is complete once `await_end` has returned."""

    def __init__(self, stack: StackHandle) -> None:
        self.endings: list[SlowClientOutcome] = []
        self._port = int(stack.gateway_url.rpartition(":")[2])
        self._over = threading.Event()
        self._all_are_there = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._hold()))

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._all_are_there.wait(20), "the slow clients were not let in"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def await_end(self) -> list[SlowClientOutcome]:
        """Return the outcomes of all clients that have to be disconnected; idle ones stay."""
        self._thread.join(OBSERVATION_S + 10)
        return self.endings

    async def _hold(self) -> None:
        silent = [await self._connect() for _ in range(CLIENT_COUNTS[IDLE_CONNECTION])]
        ways: list[tuple[str, Callable[[], Awaitable[bytes]]]] = [
            (SLOW_HEADERS, self._slow_headers),
            (SLOW_BODY, self._slow_body),
        ]
        try:
            async with asyncio.TaskGroup() as clients:
                for kind, way in ways:
                    for _ in range(CLIENT_COUNTS[kind]):
                        clients.create_task(self._watch(kind, way))
                clients.create_task(self._without_bodies())
                self._all_are_there.set()
        finally:
            for _, writer in silent:
                writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(LOOPBACK, self._port)

    async def _watch(self, kind: str, way: Callable[[], Awaitable[bytes]]) -> None:
        began = time.monotonic()
        try:
            async with asyncio.timeout(OBSERVATION_S):
                said = await way()
        except TimeoutError:
            self.endings.append(SlowClientOutcome(kind, None))
            return
        except OSError:
            said = b""
        self.endings.append(SlowClientOutcome(kind, time.monotonic() - began, said))

    async def _slow_headers(self) -> bytes:
        return await self._drip(_REQUEST_HEAD[:20], b"x-slow: " + b"a" * 60)

    async def _slow_body(self) -> bytes:
        return await self._drip(_REQUEST_HEAD + b"content-length: 1000\r\n\r\n", b"{" + b" " * 900)

    async def _drip(self, begin: bytes, rest: bytes) -> bytes:
        """Send the rest a byte a second, until the server has something to say or hangs up."""
        reader, writer = await self._connect()
        answer = asyncio.ensure_future(reader.read(4096))
        try:
            writer.write(begin)
            for byte in rest:
                done, _ = await asyncio.wait([answer], timeout=1.0)
                if done or self._over.is_set():
                    break
                writer.write(bytes([byte]))
            return await answer if answer.done() or not self._over.is_set() else b""
        finally:
            answer.cancel()
            writer.close()

    async def _without_bodies(self) -> None:
        """Open many streams of one connection, and leave each alone."""
        reader, writer = await self._connect()
        connection = H2Connection(H2Configuration(client_side=True))
        connection.initiate_connection()
        began, open_streams = time.monotonic(), set(range(1, 2 * CLIENT_COUNTS[MISSING_BODY], 2))
        for stream in sorted(open_streams):
            connection.send_headers(stream, http2_headers())
        writer.write(connection.data_to_send())
        while open_streams and time.monotonic() - began < OBSERVATION_S and not self._over.is_set():
            try:
                async with asyncio.timeout(1.0):
                    data = await reader.read(65_536)
            except TimeoutError:
                continue
            for event in connection.receive_data(data) if data else [ConnectionTerminated()]:
                ended = _ended_streams(event, open_streams)
                open_streams -= ended
                after_s = time.monotonic() - began
                self.endings += [
                    SlowClientOutcome(MISSING_BODY, after_s, type(event).__name__.encode()) for _ in ended
                ]
            writer.write(connection.data_to_send())
        self.endings += [SlowClientOutcome(MISSING_BODY, None) for _ in open_streams]
        writer.close()


def _ended_streams(event: object, open_streams: set[int]) -> set[int]:
    if isinstance(event, ResponseReceived | StreamReset) and event.stream_id in open_streams:
        return {event.stream_id}
    return set(open_streams) if isinstance(event, ConnectionTerminated) else set()


def http2_headers(path: str = LOGIN_PATH, method: str = "POST", **more: str) -> list[tuple[str, str]]:
    """Return what begins a request over HTTP/2."""
    pseudo = {":method": method, ":path": path, ":scheme": "http", ":authority": "gateway"}
    return [*pseudo.items(), ("content-type", "application/json"), *more.items()]


class UnfinishedCalls:
    """A connection of gRPC calls that have begun and send no message."""

    def __init__(self, client: socket.socket, path: str) -> None:
        self._client = client
        self._connection = H2Connection(H2Configuration(client_side=True))
        self._connection.initiate_connection()
        self._head = [*http2_headers(path, te="trailers")]
        self._head[4] = ("content-type", "application/grpc")

    def begin(self, how_many: int) -> None:
        """Open this number of further streams, beyond the bounds that the server has announced."""
        for _ in range(how_many):
            self._connection.send_headers(self._connection.get_next_available_stream_id(), self._head)
        self._client.sendall(self._connection.data_to_send())

    def refused(self, within_s: float) -> int:
        """Return how many of them the server has refused at once, until it is silent for `within_s`."""
        self._client.settimeout(within_s)
        count = 0
        while data := self._read():
            events = self._connection.receive_data(data)
            count += sum(
                isinstance(event, StreamReset) and event.error_code in REFUSED_STREAM_CODES
                for event in events
            )
        return count

    def _read(self) -> bytes:
        try:
            return self._client.recv(65_536)
        except TimeoutError:
            return b""


@contextmanager
def open_unfinished_calls(host: str, port: int, path: str) -> Iterator[UnfinishedCalls]:
    """Yield a connection to begin calls on; they stay until the block ends."""
    with socket.create_connection((host, port), timeout=10) as client:
        yield UnfinishedCalls(client, path)


async def send_rapid_resets(host: str, port: int, times: int, request: list[tuple[str, str]]) -> int:
    """Open requests and reset each at once; return how many the server accepted before it closed the
    connection."""
    reader, writer = await asyncio.open_connection(host, port)
    connection = H2Connection(H2Configuration(client_side=True))
    connection.initiate_connection()
    sent = 0
    try:
        for number in range(times):
            stream = 2 * number + 1
            connection.send_headers(stream, request, end_stream=True)
            connection.reset_stream(stream, ErrorCodes.CANCEL)
            writer.write(connection.data_to_send())
            sent += 1
            if number % 50 == 0:
                await writer.drain()
                async with asyncio.timeout(10):
                    if not await _is_connection_open(reader, connection):
                        break
    except OSError:
        pass
    finally:
        writer.close()
    return sent


async def _is_connection_open(reader: asyncio.StreamReader, connection: H2Connection) -> bool:
    """Return whether the connection is open after all data was read."""
    try:
        async with asyncio.timeout(0.001):
            data = await reader.read(65_536)
    except TimeoutError:
        return True
    events = connection.receive_data(data) if data else [ConnectionTerminated()]
    return not any(isinstance(event, ConnectionTerminated) for event in events)

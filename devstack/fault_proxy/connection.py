"""One connection through the proxy: a client's socket, the store's, and a pipe in each direction."""

import asyncio
import random
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Final, cast

from devstack.fault_proxy.model import StoreFault
from devstack.fault_proxy.pipe import Pipe, StreamEnd

CONNECT_TIMEOUT_S: Final = 5.0
WRITE_BUFFER_BYTES: Final = 256 * 1024
_RESET_LINGER: Final = struct.pack("ii", 1, 0)


class ProxiedConnection:
    """Lives from the client's connection until both sockets are closed, and then calls `gone`."""

    def __init__(
        self, upstream: tuple[str, int], fault: StoreFault | None, gone: Callable[["ProxiedConnection"], None]
    ) -> None:
        loop = asyncio.get_running_loop()
        self._upstream = upstream
        self._gone = gone
        self._percentile = random.uniform(0, 100)  # noqa: S311 - no secret
        self._fault = self._concerning(fault)
        self._to_store = Pipe(loop, lambda end: self._ended(self._store, end))
        self._to_client = Pipe(loop, lambda end: self._ended(self.client, end))
        self.client = _ConnectionSide(self, self._to_store, self._to_client)
        self._store = _ConnectionSide(self, self._to_client, self._to_store)
        self._connecting: asyncio.Task[None] | None = None
        self._ends = 0
        self._is_over = False

    @property
    def held_bytes(self) -> int:
        """The bytes that have arrived from either side and not been forwarded."""
        return self._to_store.held_bytes + self._to_client.held_bytes

    def apply_fault(self, fault: StoreFault | None) -> None:
        """Apply a fault from now on; a share of connections is always the same ones."""
        self._fault = self._concerning(fault)
        if self._fault is not None and self._fault.kind == "down":
            self.cut()
            return
        self._to_store.apply_fault(self._fault)
        self._to_client.apply_fault(self._fault)
        self._connect()

    def on_connected(self, which: "_ConnectionSide") -> None:
        """Connect the pipes of a socket that is open."""
        if which is self.client:
            self.apply_fault(self._fault)
        elif self._is_over:
            self._store.end(reset=True)

    def on_source_end(self, which: "_ConnectionSide", how: StreamEnd) -> None:
        """Handle the end of a socket's data. A client that leaves while the store hangs never reached it."""
        if which is self.client and self._connecting is None:
            self.cut()
        elif not self._is_over:
            which.reads.feed(how)

    def cut(self) -> None:
        """Reset both connections and discard the data in flight."""
        self._finish(reset=True)

    def _concerning(self, fault: StoreFault | None) -> StoreFault | None:
        return fault if fault is not None and self._percentile < fault.percent else None

    def _connect(self) -> None:
        """Connect to the store, unless it hangs: it would answer, or cut off a client that is silent."""
        hangs = self._fault is not None and self._fault.kind == "hang"
        if self._connecting is None and not hangs and not self._is_over:
            self._connecting = asyncio.create_task(self._reach_the_store())

    async def _reach_the_store(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await loop.create_connection(lambda: self._store, *self._upstream)
        except OSError:
            self.cut()

    def _ended(self, sink: "_ConnectionSide", end: StreamEnd) -> None:
        if end is StreamEnd.RESET:
            self.cut()
            return
        sink.write_eof()
        self._ends += 1
        if self._ends == 2:
            self._finish(reset=False)

    def _finish(self, *, reset: bool) -> None:
        if self._is_over:
            return
        self._is_over = True
        for pipe in (self._to_store, self._to_client):
            pipe.close()
        for each in (self.client, self._store):
            each.end(reset=reset)
        self._gone(self)


class _ConnectionSide(asyncio.Protocol):
    """One side: its reads go into one pipe, its writes come from the other."""

    def __init__(self, link: ProxiedConnection, reads: Pipe, writes: Pipe) -> None:
        self.transport: asyncio.Transport | None = None
        self.reads = reads
        self._link = link
        self._writes = writes
        self._has_said_all = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        self.reads.set_source(self.transport)
        self._writes.set_sink(self.transport)
        self._link.on_connected(self)

    def data_received(self, data: bytes) -> None:
        self.reads.feed(data)

    def eof_received(self) -> bool:
        """Handle the end of the peer's data; return True, as the other direction stays open."""
        self._has_said_all = True
        self._link.on_source_end(self, StreamEnd.EOF)
        return True

    def pause_writing(self) -> None:
        self._writes.sink_is_full(True)

    def resume_writing(self) -> None:
        self._writes.sink_is_full(False)

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None or not self._has_said_all:
            self._link.on_source_end(self, StreamEnd.RESET)

    def write_eof(self) -> None:
        """End the data to this side."""
        if self.transport is not None and not self.transport.is_closing():
            with suppress(OSError):
                self.transport.write_eof()

    def end(self, *, reset: bool) -> None:
        """Close the socket: at once and with a reset, or after all data is written."""
        if self.transport is None:
            return
        if reset:
            with suppress(OSError):
                self.transport.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, _RESET_LINGER
                )
            self.transport.abort()
        else:
            self.transport.close()

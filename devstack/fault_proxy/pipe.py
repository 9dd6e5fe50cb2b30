"""One direction of a connection: bytes from its source leave at its sink, in order, when they are due."""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Final

from devstack.fault_proxy.model import StoreFault

MAX_HELD_BYTES: Final = 1024 * 1024
"""Beyond this bound the source is not read, and its sender waits as for a congested network."""


class StreamEnd(Enum):
    """The end of a source: it has no more data, or its connection broke."""

    EOF = "said all"
    RESET = "broken"


class Pipe:
    """Holds bytes that are not due yet, and calls `ended` when the source's end has reached the sink."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ended: Callable[[StreamEnd], None]) -> None:
        self._loop = loop
        self._ended = ended
        self._source: asyncio.Transport | None = None
        self._sink: asyncio.Transport | None = None
        self._fault: StoreFault | None = None
        self._items: deque[tuple[float, bytes | StreamEnd]] = deque()
        self._held_bytes = 0
        self._sink_is_full = False
        self._is_paused = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def held_bytes(self) -> int:
        """The bytes that have arrived and not left."""
        return self._held_bytes

    def set_source(self, source: asyncio.Transport) -> None:
        """Set the source of the bytes."""
        self._source = source

    def set_sink(self, sink: asyncio.Transport) -> None:
        """Set the sink; before that everything is held."""
        self._sink = sink
        self._deliver()

    def apply_fault(self, fault: StoreFault | None) -> None:
        """Apply a fault from now on; when a delay ends, all bytes that it holds leave at once."""
        self._fault = fault
        if fault is None or fault.kind != "delay":
            now = self._loop.time()
            self._items = deque((min(due, now), item) for due, item in self._items)
        self._deliver()

    def feed(self, item: bytes | StreamEnd) -> None:
        """Queue the next chunk, or the end, of the source."""
        due = self._loop.time() + self._delay_s()
        if self._items:
            due = max(due, self._items[-1][0])
        self._items.append((due, item))
        self._held_bytes += _size(item)
        self._deliver()

    def sink_is_full(self, is_full: bool) -> None:
        """Record whether the sink's receiver is slower than the source."""
        self._sink_is_full = is_full
        self._regulate()

    def close(self) -> None:
        """Discard the bytes that are held."""
        self._items.clear()
        self._held_bytes = 0
        self._set_timer(None)

    def _delay_s(self) -> float:
        """Return half of the fault's delay: request and answer together are delayed by all of it."""
        if self._fault is None or self._fault.kind != "delay":
            return 0.0
        fault = self._fault
        jitter_s = random.uniform(-fault.jitter_s, fault.jitter_s)  # noqa: S311 - no secret
        return (fault.delay_s + jitter_s) / 2

    def _deliver(self) -> None:
        while self._items and self._may_pass() and self._items[0][0] <= self._loop.time():
            _, item = self._items.popleft()
            self._held_bytes -= _size(item)
            self._pass(item)
        self._set_timer(self._items[0][0] if self._items and self._may_pass() else None)
        self._regulate()

    def _may_pass(self) -> bool:
        return self._sink is not None and (self._fault is None or self._fault.kind != "hang")

    def _pass(self, item: bytes | StreamEnd) -> None:
        if isinstance(item, StreamEnd):
            self._ended(item)
        elif self._sink is not None and not self._sink.is_closing():
            self._sink.write(item)

    def _set_timer(self, due: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if due is None else self._loop.call_at(due, self._deliver)

    def _regulate(self) -> None:
        wanted = self._sink_is_full or self._held_bytes > MAX_HELD_BYTES
        if self._source is None or self._source.is_closing() or wanted == self._is_paused:
            return
        self._is_paused = wanted
        if wanted:
            self._source.pause_reading()
        else:
            self._source.resume_reading()


def _size(item: bytes | StreamEnd) -> int:
    return len(item) if isinstance(item, bytes) else 0

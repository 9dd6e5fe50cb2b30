"""The local cache: copies of the store's entries in this process, so that a warm read makes no call."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

from chassis.cache.invalidation_stream import InvalidationSource, InvalidationStream

MAX_COPY_AGE_S: Final = 2.0
"""The lifetime of a copy, which bounds the harm of an invalidation stream that is dead unnoticed."""
MAX_COPIES: Final = 20_000
"""Some ten thousand reads a second, the maximum of one process, during `MAX_COPY_AGE_S`."""
MAX_BYTES: Final = 32 * 1024 * 1024
"""A tenth of a service process's memory, however large the answers are."""
_CHANGE_COUNTERS: Final = 4_096


class LocalCopy(NamedTuple):
    """A copy of an answer (None: known to be absent), good until `expires_at` (`time.monotonic`)."""

    answer: bytes | None
    expires_at: float
    stream: InvalidationStream
    size: int


class ReadMark(NamedTuple):
    """The state of a key's invalidations at some moment; an equal mark means that none came since."""

    stream: InvalidationStream
    change_count: int


class LocalEntryCache:
    """Copies of entries, each dropped as soon as its entry is invalidated.

    - A copy is stored only if its key's invalidations were received without interruption, and none came,
      since before the store was read: `begin_read`, read, `store`. An invalidation may arrive before the
      answer that it outdates.
    - When a stream ends, all copies made under it are dropped, and none is stored until another begins.
    - A copy lives for at most `MAX_COPY_AGE_S`.
    - This process calls `invalidate` for its own changes as well, without waiting for the store.
    - At most 20,000 copies and 32 MiB are kept; the least recently used go first.

    So a copy outlives a change of its entry by the delivery of the invalidation, milliseconds, or if that
    fails unnoticed by at most `MAX_COPY_AGE_S`.
    """

    def __init__(
        self,
        invalidations: InvalidationSource,
        *,
        now: Callable[[], float] = time.monotonic,
        max_copies: int = MAX_COPIES,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._invalidations = invalidations
        self._now = now
        self._max_copies = max_copies
        self._max_bytes = max_bytes
        self._copies: OrderedDict[str, LocalCopy] = OrderedDict()
        self._bytes = 0
        # Keys share counters, which bounds their number; the price is a copy that is not stored now and then.
        self._changes = [0] * _CHANGE_COUNTERS
        invalidations.subscribe(self)

    def find(self, key: str) -> LocalCopy | None:
        """Return the copy of `key`'s entry; None when there is none that is still good."""
        copy = self._copies.get(key)
        if copy is None or copy.expires_at <= self._now():
            return None
        self._copies.move_to_end(key)
        return copy

    def begin_read(self, key: str) -> ReadMark | None:
        """Return the mark to take before `key` is read; None when the answer cannot be stored anyway."""
        stream = self._invalidations.stream_for(key)
        return None if stream is None else ReadMark(stream, self._changes[_change_counter_of(key)])

    def store(self, key: str, answer: bytes | None, ttl_s: float, mark: ReadMark | None) -> None:
        """Store the answer that was read since `mark`, unless it may be outdated by now."""
        if mark is None or mark != self.begin_read(key):
            return
        self._discard(key)
        size = len(key) + len(answer or b"")
        self._copies[key] = LocalCopy(answer, self._now() + min(ttl_s, MAX_COPY_AGE_S), mark.stream, size)
        self._bytes += size
        while len(self._copies) > self._max_copies or self._bytes > self._max_bytes:
            self._discard(next(iter(self._copies)))

    def invalidate(self, key: str) -> None:
        """Drop the copy of `key`, whose entry has changed or may have."""
        self._changes[_change_counter_of(key)] += 1
        self._discard(key)

    def invalidate_stream(self, stream: InvalidationStream) -> None:
        """Drop the copies that were made under a stream that has ended."""
        for key in [key for key, copy in self._copies.items() if copy.stream is stream]:
            self._discard(key)

    async def aclose(self) -> None:
        """End the streams, and so drop all copies."""
        await self._invalidations.aclose()

    def _discard(self, key: str) -> None:
        copy = self._copies.pop(key, None)
        if copy is not None:
            self._bytes -= copy.size


def _change_counter_of(key: str) -> int:
    return hash(key) % _CHANGE_COUNTERS

"""The near cache: copies of the store's entries in this process, so that a warm read asks nobody."""

import time
from collections.abc import Callable
from typing import Final, NamedTuple

from cachetools import LRUCache

from chassis.cache.invalidation_stream import InvalidationSource, InvalidationStream

MAX_COPY_AGE_S: Final = 2.0
"""The longest life of a copy: how long a watch that is dead without anybody noticing can do harm."""
MAX_COPIES: Final = 20_000
"""Some ten thousand reads a second, the most that one process answers, for `NEAR_S`."""
MAX_BYTES: Final = 32 * 1024 * 1024
"""A tenth of what a service's process takes anyhow, however large the answers are."""
_CHANGE_COUNTERS: Final = 4_096


class LocalCopy(NamedTuple):
    """An answer, None when it is known that there is none, and until when (`time.monotonic`) it is good."""

    answer: bytes | None
    expires_at: float
    stream: InvalidationStream
    size: int


class ReadMark(NamedTuple):
    """What has been heard of a key up to now: the same later on means that nothing came in between."""

    stream: InvalidationStream
    change_count: int


class LocalEntryCache:
    """Copies of entries, each dropped as soon as its entry is heard to have changed.

    - A copy is admitted only if its key was watched, without a break and without any news of the key, from
      before the store was asked: take a `mark`, ask, `admit`. News may overtake the answer that it outdates.
    - When a watch ends, all copies made under it go at once, and none is admitted until another begins.
    - A copy lives for `NEAR_S` at most.
    - `forget` is for this process's own changes too: they do not wait for the store's news.
    - At most 20,000 copies and 32 MiB are kept, those that were used last.

    So a copy is older than the store's entry by the delivery of the news, milliseconds, and if that fails
    unnoticed by `NEAR_S` at most.
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
        self._copies: LRUCache[str, LocalCopy] = LRUCache(max_bytes, getsizeof=lambda copy: copy.size)
        # Keys share counters, which bounds them; the price is a copy not admitted now and then.
        self._changes = [0] * _CHANGE_COUNTERS
        invalidations.subscribe(self)

    def find(self, key: str) -> LocalCopy | None:
        """Return the copy of the entry of `key`, if there is one that is still good."""
        copy = self._copies.get(key)
        if copy is None or copy.expires_at <= self._now():
            return None
        return copy

    def begin_read(self, key: str) -> ReadMark | None:
        """Take it before the store is asked for `key`. None when the answer can not be admitted anyhow."""
        stream = self._invalidations.stream_for(key)
        return None if stream is None else ReadMark(stream, self._changes[_change_counter_of(key)])

    def store(self, key: str, answer: bytes | None, ttl_s: float, mark: ReadMark | None) -> None:
        """Keep what the store has answered since `mark`, unless it may be outdated by now."""
        if mark is None or mark != self.begin_read(key):
            return
        size = len(key) + len(answer or b"")
        if size > self._copies.maxsize:
            self._discard(key)
            return
        self._copies[key] = LocalCopy(answer, self._now() + min(ttl_s, MAX_COPY_AGE_S), mark.stream, size)
        if len(self._copies) > self._max_copies:
            self._copies.popitem()

    def invalidate(self, key: str) -> None:
        """The entry of `key` has changed, or may have."""
        self._changes[_change_counter_of(key)] += 1
        self._discard(key)

    def invalidate_stream(self, stream: InvalidationStream) -> None:
        """Drop what was kept under a watch that has ended."""
        for key in [key for key, copy in self._copies.items() if copy.stream is stream]:
            self._discard(key)

    async def aclose(self) -> None:
        """End the watches, and with them everything that was kept."""
        await self._invalidations.aclose()

    def _discard(self, key: str) -> None:
        if key in self._copies:
            del self._copies[key]


def _change_counter_of(key: str) -> int:
    return hash(key) % _CHANGE_COUNTERS

"""The local cache: copies of the store's entries in this process, so that a warm read makes no call."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from cachetools import LRUCache

from chassis.cache.invalidation_stream import InvalidationSource, InvalidationStream

_CHANGE_COUNTERS: Final = 4_096


@dataclass(frozen=True, slots=True)
class LocalCachePolicy:
    """The bounds of one process's copies.

    - `max_age_s` is how long a watch that is dead without anybody noticing can do harm.
    - `max_copies` is enough for some ten thousand reads a second, the most that one process answers.
    - `max_bytes` is a tenth of what a service's process takes anyhow, however large the answers are.
    """

    max_age_s: float = 2.0
    max_copies: int = 20_000
    max_bytes: int = 32 * 1024 * 1024


DEFAULT_LOCAL_CACHE_POLICY: Final = LocalCachePolicy()


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
    - A copy lives for at most `max_age_s`.
    - This process calls `invalidate` for its own changes as well, without waiting for the store.
    - At most `max_copies` and `max_bytes` are kept; the least recently used go first.

    So a copy outlives a change of its entry by the delivery of the invalidation, milliseconds, or if that
    fails unnoticed by at most `max_age_s`.
    """

    def __init__(
        self,
        invalidations: InvalidationSource,
        *,
        now: Callable[[], float] = time.monotonic,
        policy: LocalCachePolicy = DEFAULT_LOCAL_CACHE_POLICY,
    ) -> None:
        self._invalidations = invalidations
        self._now = now
        self._policy = policy
        self._copies: LRUCache[str, LocalCopy] = LRUCache(policy.max_bytes, getsizeof=lambda copy: copy.size)
        # Keys share counters, which bounds their number; the price is a copy that is not stored now and then.
        self._changes = [0] * _CHANGE_COUNTERS
        invalidations.subscribe(self)

    def find(self, key: str) -> LocalCopy | None:
        """Return the copy of `key`'s entry; None when there is none that is still good."""
        copy = self._copies.get(key)
        if copy is None or copy.expires_at <= self._now():
            return None
        return copy

    def begin_read(self, key: str) -> ReadMark | None:
        """Return the mark to take before `key` is read; None when the answer cannot be stored anyway."""
        stream = self._invalidations.stream_for(key)
        return None if stream is None else ReadMark(stream, self._changes[_change_counter_of(key)])

    def store(self, key: str, answer: bytes | None, ttl_s: float, mark: ReadMark | None) -> None:
        """Store the answer that was read since `mark`, unless it may be outdated by now."""
        if mark is None or mark != self.begin_read(key):
            return
        size = len(key) + len(answer or b"")
        if size > self._copies.maxsize:
            self._discard(key)
            return
        self._copies[key] = LocalCopy(
            answer, self._now() + min(ttl_s, self._policy.max_age_s), mark.stream, size
        )
        if len(self._copies) > self._policy.max_copies:
            self._copies.popitem()

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
        if key in self._copies:
            del self._copies[key]


def _change_counter_of(key: str) -> int:
    return hash(key) % _CHANGE_COUNTERS

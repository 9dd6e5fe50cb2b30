"""The near cache: copies of the store's entries in this process, so that a warm read asks nobody."""

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
    - A copy lives for `max_age_s` at most.
    - `forget` is for this process's own changes too: they do not wait for the store's news.
    - At most `max_copies` and `max_bytes` are kept, those that were used last.

    So a copy is older than the store's entry by the delivery of the news, milliseconds, and if that fails
    unnoticed by `max_age_s` at most.
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
        self._copies[key] = LocalCopy(
            answer, self._now() + min(ttl_s, self._policy.max_age_s), mark.stream, size
        )
        if len(self._copies) > self._policy.max_copies:
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

"""Refusals that hold until a known time, kept in this process."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from cachetools import LRUCache

from gateway.ratelimit.counter_store import CounterHit


@dataclass(frozen=True, slots=True)
class CachedRefusal:
    """`hits` or more are refused until `until_s` on this process's clock; `remaining` would still pass."""

    hits: int
    remaining: int
    until_s: float


class LocalRefusalCache:
    """The latest refusals by key and limit, at most `max_entries`; a flood on one key costs no store call.

    A refusal under one limit does not apply to another, which a new configuration may set.
    """

    def __init__(self, max_entries: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._refusals: LRUCache[tuple[str, int], CachedRefusal] = LRUCache(max_entries)

    def find(self, hit: CounterHit) -> CachedRefusal | None:
        """Return the refusal that applies to this hit, or None."""
        refusal = self._refusals.get((hit.key, hit.limit))
        if refusal is None or max(hit.hits, 1) < refusal.hits:
            return None
        if self._clock() >= refusal.until_s:
            del self._refusals[hit.key, hit.limit]
            return None
        return refusal

    def put(self, hit: CounterHit, refusal: CachedRefusal) -> None:
        """Keep a refusal; the least recently used one makes place."""
        self._refusals[hit.key, hit.limit] = refusal

    def __len__(self) -> int:
        return len(self._refusals)

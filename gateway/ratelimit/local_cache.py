"""Refusals that need not be asked for again, because nothing can change them before a known moment."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from gateway.ratelimit.counter_store import CounterHit
from gateway.ratelimit.searches import TypingSession


@dataclass(frozen=True, slots=True)
class CachedRefusal:
    """So many hits are refused until `until_s` on this process's clock; `remaining` would still pass.

    A search that continues `typing` may pass all the same.
    """

    hits: int
    remaining: int
    until_s: float
    typing: TypingSession | None = None


class LocalRefusalCache:
    """The latest refusals by key, at most `most` of them; a flood on one key asks no store.

    A higher limit, as a new configuration may bring, is not held up by a refusal under the old one.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._refusals: OrderedDict[tuple[str, int], CachedRefusal] = OrderedDict()

    def find(self, hit: CounterHit) -> CachedRefusal | None:
        """The refusal that holds for this hit too."""
        refusal = self._refusals.get((hit.key, hit.limit))
        if refusal is None or max(hit.hits, 1) < refusal.hits:
            return None
        if _may_be_continuation(hit, refusal):
            return None
        if self._clock() >= refusal.until_s:
            del self._refusals[hit.key, hit.limit]
            return None
        self._refusals.move_to_end((hit.key, hit.limit))
        return refusal

    def keep(self, hit: CounterHit, refusal: CachedRefusal) -> None:
        """Remembers it, in the place of the one that was not needed for the longest time."""
        self._refusals[hit.key, hit.limit] = refusal
        self._refusals.move_to_end((hit.key, hit.limit))
        if len(self._refusals) > self._most:
            self._refusals.popitem(last=False)

    def __len__(self) -> int:
        return len(self._refusals)


def _may_be_continuation(hit: CounterHit, refusal: CachedRefusal) -> bool:
    """Whether the hit's search may be the last counted one, typed on; the store knows for sure."""
    typing = refusal.typing
    if hit.search is None or typing is None:
        return False
    return typing.continued_by(hit.search, typing.at_us) is not None

"""The port to the counters: sliding windows by key, shared by all replicas."""

from dataclasses import dataclass
from typing import Protocol

from gateway.ratelimit.searches import SearchFingerprint, TypingSession
from gateway.ratelimit.sliding_window import WindowUsage


@dataclass(frozen=True, slots=True)
class CounterHit:
    """Hits to count under a key; with `hits` 0 the answer is whether one more would be admitted.

    Hits of a `search` that continues the last counted one under this key are admitted and not counted.
    """

    key: str
    hits: int
    limit: int
    window_us: int
    search: SearchFingerprint | None = None


@dataclass(frozen=True, slots=True)
class CounterResult:
    """Whether the hits were admitted, the time by the store's clock, and the counter's usage after them.

    For a rejected search also the last counted one, which may still be continued.
    """

    admitted: bool
    now_us: int
    usage: WindowUsage
    typing_session: TypingSession | None = None


class CounterStore(Protocol):
    """Counts hits in sliding windows."""

    async def count(self, hit: CounterHit) -> CounterResult:
        """Count the hits if they keep to the limit. Raise StoreUnavailableError."""
        ...

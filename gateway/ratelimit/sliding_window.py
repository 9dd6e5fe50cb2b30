"""The arithmetic of a sliding window: pure, and the same as in `hit.lua`, which runs at the counters.

A counter keeps two runs of admitted hits. A run begins with the first hit after the run before it is a window
old, and lasts one window. The hits of a run are assumed to be spread evenly between its first and its last
hit; those that lie in the window that ends now count.

It follows that a key that was not used for a window admits exactly its limit; that any interval of length L,
at most a window, sees at most `limit * (1 + L / window)` hits admitted, so that twice the limit cannot pass
at once; and that one hit never has to wait longer than a window. All times are microseconds of Redis's clock.
"""

import math
from dataclasses import dataclass, replace
from typing import Final

MICROSECONDS_PER_SECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class HitRun:
    """Hits that were admitted from `first_us` to `last_us`."""

    hits: int = 0
    first_us: int = 0
    last_us: int = 0

    def count_later_than(self, since_us: int) -> float:
        """Estimate how many of the hits are later than this."""
        if since_us < self.first_us:
            return self.hits
        if since_us >= self.last_us:
            return 0.0
        return self.hits * (self.last_us - since_us) / (self.last_us - self.first_us)

    def without_hits(self, hits: int) -> "HitRun":
        """Return the run with as many hits fewer, at least none."""
        return replace(self, hits=max(0, self.hits - hits))

    def time_when_at_most(self, hits: float) -> int:
        """Return the earliest time after which at most `hits` of the hits lie."""
        if hits >= self.hits:
            return self.first_us - 1
        # Not the ceiling of the difference: a float of microseconds since 1970 has no digits for a fraction.
        return self.last_us - math.floor(hits * (self.last_us - self.first_us) / self.hits)


@dataclass(frozen=True, slots=True)
class WindowUsage:
    """The hits in a counter: two runs."""

    current: HitRun = HitRun()
    previous: HitRun = HitRun()

    def estimate(self, now_us: int, window_us: int) -> float:
        """Estimate how many admitted hits lie in the window that ends now."""
        since_us = now_us - window_us
        return self.current.count_later_than(since_us) + self.previous.count_later_than(since_us)

    def admits(self, hits: int, limit: int, now_us: int, window_us: int) -> bool:
        """Return whether `hits` more keep to the limit; 0 means one more."""
        return self.estimate(now_us, window_us) + max(hits, 1) <= limit

    def with_hits(self, hits: int, now_us: int, window_us: int) -> "WindowUsage":
        """Return the usage after the hits are admitted."""
        run = self.current
        if now_us - window_us < run.first_us:
            return WindowUsage(HitRun(run.hits + hits, run.first_us, now_us), self.previous)
        return WindowUsage(HitRun(hits, now_us, now_us), run)

    def without_hits(self, hits: int, run_first_us: int) -> "WindowUsage":
        """Return the usage without hits that were counted in the run that began then, if it still counts."""
        if self.current.hits and run_first_us == self.current.first_us:
            return replace(self, current=self.current.without_hits(hits))
        if run_first_us == self.previous.first_us:
            return replace(self, previous=self.previous.without_hits(hits))
        return self

    def remaining(self, limit: int, now_us: int, window_us: int) -> int:
        """Return how many hits would be admitted now."""
        return max(0, math.floor(limit - self.estimate(now_us, window_us)))

    def reset_us(self, now_us: int, window_us: int) -> int:
        """Return the time until the current run is a window old and its hits begin to expire."""
        since_us = now_us - window_us
        if self.current.hits and since_us < self.current.first_us:
            return self.current.first_us - since_us
        return window_us

    def retry_us(self, hits: int, limit: int, now_us: int, window_us: int) -> int:
        """Return the time until `hits` would be admitted if no others are before.

        Return the window's length when `hits` exceed the limit.
        """
        headroom = limit - max(hits, 1)
        if headroom < 0:
            return window_us
        since_us = now_us - window_us
        left_to_previous = headroom - self.current.count_later_than(since_us)
        if left_to_previous >= 0:
            free_us = self.previous.time_when_at_most(left_to_previous)
        else:
            free_us = self.current.time_when_at_most(headroom)
        return max(0, free_us - since_us)

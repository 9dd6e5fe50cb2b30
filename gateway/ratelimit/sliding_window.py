"""The arithmetic of a sliding window: pure, and the same as in `hit.lua`, which does it where the counts are.

A counter keeps two runs of admitted hits. A run begins with the first hit after the run before it is a window
old, and lasts one window. Of the hits of a run, those count that are assumed to lie in the window that ends
now; they are taken to be spread evenly between the run's first and its last hit.

It follows that a key that was not used for a window admits exactly its limit; that any stretch of time of a
window or less, of length L, sees at most `limit * (1 + L / window)` hits admitted, so that there is no edge
at which twice the limit could pass at once; and that one hit never has to wait longer than a window. All
times are microseconds of Redis's clock.
"""

import math
from dataclasses import dataclass
from typing import Final

MICROSECONDS_PER_SECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class HitRun:
    """Hits that were admitted from `first_us` to `last_us`."""

    hits: int = 0
    first_us: int = 0
    last_us: int = 0

    def later_than(self, since_us: int) -> float:
        """How many of the hits are taken to be later than this."""
        if since_us < self.first_us:
            return self.hits
        if since_us >= self.last_us:
            return 0.0
        return self.hits * (self.last_us - since_us) / (self.last_us - self.first_us)

    def falls_to_us(self, hits: float) -> int:
        """Since when to count so that at most so many of the hits are later."""
        if hits >= self.hits:
            return self.first_us - 1
        # Not the ceiling of the difference: so many microseconds since 1970 leave a fraction no place.
        return self.last_us - math.floor(hits * (self.last_us - self.first_us) / self.hits)


@dataclass(frozen=True, slots=True)
class WindowUsage:
    """What a counter holds."""

    current: HitRun = HitRun()
    previous: HitRun = HitRun()

    def at(self, now_us: int, window_us: int) -> float:
        """The estimate: how many admitted hits lie in the window that ends now."""
        since_us = now_us - window_us
        return self.current.later_than(since_us) + self.previous.later_than(since_us)

    def admits(self, hits: int, limit: int, now_us: int, window_us: int) -> bool:
        """Whether so many hits more keep to the limit; no hits ask whether one more would."""
        return self.at(now_us, window_us) + max(hits, 1) <= limit

    def after(self, hits: int, now_us: int, window_us: int) -> "WindowUsage":
        """What the counter holds once the hits are admitted."""
        run = self.current
        if run.hits and now_us - window_us < run.first_us:
            return WindowUsage(HitRun(run.hits + hits, run.first_us, now_us), self.previous)
        return WindowUsage(HitRun(hits, now_us, now_us), run)

    def remaining(self, limit: int, now_us: int, window_us: int) -> int:
        """How many hits would be admitted now."""
        return max(0, math.floor(limit - self.at(now_us, window_us)))

    def reset_us(self, now_us: int, window_us: int) -> int:
        """How long until the current run is a window old and its hits begin to be forgotten."""
        since_us = now_us - window_us
        if self.current.hits and since_us < self.current.first_us:
            return self.current.first_us - since_us
        return window_us

    def retry_us(self, hits: int, limit: int, now_us: int, window_us: int) -> int:
        """How long until so many hits would be admitted, if none are until then.

        The window's length for hits that never are, because they are more than the limit.
        """
        room = limit - max(hits, 1)
        if room < 0:
            return window_us
        since_us = now_us - window_us
        left_to_previous = room - self.current.later_than(since_us)
        if left_to_previous >= 0:
            free_us = self.previous.falls_to_us(left_to_previous)
        else:
            free_us = self.current.falls_to_us(room)
        return max(0, free_us - since_us)

"""How many calls are let in at once: fewer when those inside take too long, so that they end in time."""

import asyncio
import random
from typing import Final

from chassis.observability import metrics

MAX_LOOP_LAG_S: Final = 0.25
"""A loop that runs its timers so late all the time has more to do than it can."""
MIN_CONCURRENT_CALLS: Final = 16
LATE_SHARE: Final = 0.5
"""A call is late when it took more of its deadline than this; the rest is for the way and for bad luck."""
MIN_ENDED_CALLS: Final = 10
"""Calls that have to have ended before they say something."""
_POLL_INTERVAL_S: Final = 0.025
_POLLS_PER_ADJUSTMENT: Final = 4
_DECREASE_FACTOR: Final = 0.8
_INCREASE_SHARE: Final = 0.05


class AdaptiveConcurrencyLimit:
    """A bound between `MIN_CONCURRENT_CALLS` and `most` that falls fast and grows back slowly.

    It falls when, over some 100 ms, the loop was never in time: a short stop (a garbage collection, a burst)
    has one late moment and is no reason. It falls as well when most calls that ended were late: what they
    all wait for, such as the database, has more to do than it can. Some late calls are no reason: a shard
    that hangs concerns its own users only.
    """

    def __init__(self, max_limit: int) -> None:
        self.in_flight = 0
        self.limit = max_limit
        self._max_limit = max_limit
        self._ended = 0
        self._late = 0

    def is_full(self) -> bool:
        """Whether another call would be one too many."""
        return self.in_flight >= self.limit

    def record_end(self, *, was_late: bool) -> None:
        """Count a call that has ended, late or within its share of its deadline."""
        self._ended += 1
        self._late += was_late

    def adjust(self, min_lag_s: float) -> None:
        """Adjust the bound to the calls that ended, and to how late the loop was at its best moment."""
        if self._most_were_late() or min_lag_s > MAX_LOOP_LAG_S:
            self.limit = max(
                min(MIN_CONCURRENT_CALLS, self._max_limit),
                int(min(self.limit, self.in_flight) * _DECREASE_FACTOR),
            )
        else:
            self.limit = min(self._max_limit, self.limit + 1 + int(self.limit * _INCREASE_SHARE))
        metrics.grpc_server_admission_limit.set(self.limit)

    def _most_were_late(self) -> bool:
        if self._ended < MIN_ENDED_CALLS:
            return False
        most = self._late * 2 > self._ended
        self._ended = self._late = 0
        return most

    async def run_adjustments(self) -> None:
        """Measure the event loop's lag and adjust the bound, again and again until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            min_lag_s = float("inf")
            for _ in range(_POLLS_PER_ADJUSTMENT):
                pause_s = _POLL_INTERVAL_S * random.uniform(0.8, 1.2)  # noqa: S311
                due = loop.time() + pause_s
                await asyncio.sleep(pause_s)
                min_lag_s = min(min_lag_s, loop.time() - due)
            self.adjust(min_lag_s)

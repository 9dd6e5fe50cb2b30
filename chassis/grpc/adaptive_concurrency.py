"""An adaptive bound on concurrent calls: it falls when calls take too long, so that others end in time."""

import asyncio
import random
from typing import Final

from chassis.observability import metrics

MAX_LOOP_LAG_S: Final = 0.25
"""An event loop whose timers are constantly this late is overloaded."""
MIN_CONCURRENT_CALLS: Final = 16
LATE_SHARE: Final = 0.5
"""A call is late when it took a larger share of its deadline; the rest is a reserve."""
MIN_ENDED_CALLS: Final = 10
"""The minimum of ended calls in a period that is judged by them."""
_POLL_INTERVAL_S: Final = 0.025
_POLLS_PER_ADJUSTMENT: Final = 4
_DECREASE_FACTOR: Final = 0.8
_INCREASE_SHARE: Final = 0.05


class AdaptiveConcurrencyLimit:
    """A bound between `MIN_CONCURRENT_CALLS` and `max_limit` that falls fast and grows back slowly.

    It falls when the event loop was late at every measurement of some 100 ms; a short stop (a garbage
    collection, a burst) makes only one measurement late. It also falls when most calls that ended were late:
    the dependency of all of them, such as the database, is overloaded. A minority of late calls does not
    count: a shard that hangs affects its own users only.
    """

    def __init__(self, max_limit: int) -> None:
        self.in_flight = 0
        self.limit = max_limit
        self._max_limit = max_limit
        self._ended = 0
        self._late = 0

    def is_full(self) -> bool:
        """Return whether the bound is reached."""
        return self.in_flight >= self.limit

    def record_end(self, *, was_late: bool) -> None:
        """Count a call that has ended; `was_late` as `LATE_SHARE` defines it."""
        self._ended += 1
        self._late += was_late

    def adjust(self, min_lag_s: float) -> None:
        """Adjust the bound to the calls that ended, and to the smallest lag of the loop in the period."""
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

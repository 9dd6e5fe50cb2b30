"""An adaptive bound on concurrent calls: it falls when calls take too long, so that others end in time."""

import asyncio
import random
from dataclasses import dataclass
from typing import Final

from chassis.observability import metrics

LATE_SHARE: Final = 0.5
"""A call is late when it took a larger share of its deadline; the rest is a reserve."""


@dataclass(frozen=True, slots=True)
class ConcurrencyLimitPolicy:
    """When the limit falls, and how fast it moves.

    - An event loop whose timers are constantly late by `max_loop_lag_s` is overloaded.
    - A period with fewer than `min_ended_calls` is not judged by them.
    """

    min_concurrent_calls: int = 16
    max_loop_lag_s: float = 0.25
    min_ended_calls: int = 10
    poll_interval_s: float = 0.025
    polls_per_adjustment: int = 4
    decrease_factor: float = 0.8
    increase_share: float = 0.05


DEFAULT_CONCURRENCY_LIMIT_POLICY: Final = ConcurrencyLimitPolicy()


class AdaptiveConcurrencyLimit:
    """A bound between `min_concurrent_calls` and `max_limit` that falls fast and grows back slowly.

    It falls when the event loop was late at every measurement of some 100 ms; a short stop (a garbage
    collection, a burst) makes only one measurement late. It also falls when most calls that ended were late:
    the dependency of all of them, such as the database, is overloaded. A minority of late calls does not
    count: a shard that hangs affects its own users only.
    """

    def __init__(
        self, max_limit: int, policy: ConcurrencyLimitPolicy = DEFAULT_CONCURRENCY_LIMIT_POLICY
    ) -> None:
        self._policy = policy
        self._in_flight = 0
        self.limit = max_limit
        self._max_limit = max_limit
        self._ended = 0
        self._late = 0
        self._began = asyncio.Event()

    @property
    def in_flight(self) -> int:
        """The number of calls in progress."""
        return self._in_flight

    @in_flight.setter
    def in_flight(self, count: int) -> None:
        self._in_flight = count
        if count and not self._began.is_set():
            self._began.set()

    def is_full(self) -> bool:
        """Return whether the bound is reached."""
        return self.in_flight >= self.limit

    def record_end(self, *, was_late: bool) -> None:
        """Count a call that has ended; `was_late` as `LATE_SHARE` defines it."""
        self._ended += 1
        self._late += was_late

    def adjust(self, min_lag_s: float) -> None:
        """Adjust the bound to the calls that ended, and to the smallest lag of the loop in the period."""
        if self._most_were_late() or min_lag_s > self._policy.max_loop_lag_s:
            self.limit = max(
                min(self._policy.min_concurrent_calls, self._max_limit),
                int(min(self.limit, self.in_flight) * self._policy.decrease_factor),
            )
        else:
            self.limit = min(self._max_limit, self.limit + 1 + int(self.limit * self._policy.increase_share))
        metrics.grpc_server_admission_limit.set(self.limit)

    def _most_were_late(self) -> bool:
        if self._ended < self._policy.min_ended_calls:
            return False
        most = self._late * 2 > self._ended
        self._ended = self._late = 0
        return most

    def _is_at_rest(self) -> bool:
        return not self._in_flight and self.limit == self._max_limit

    async def run_adjustments(self) -> None:
        """Measure the event loop's lag and adjust the bound, again and again until cancelled.

        A process that answers no call and has its whole bound back does not wake up for that.
        """
        loop = asyncio.get_running_loop()
        while True:
            if self._is_at_rest():
                self._began.clear()
                await self._began.wait()
            min_lag_s = float("inf")
            for _ in range(self._policy.polls_per_adjustment):
                pause_s = self._policy.poll_interval_s * random.uniform(0.8, 1.2)  # noqa: S311
                due = loop.time() + pause_s
                await asyncio.sleep(pause_s)
                min_lag_s = min(min_lag_s, loop.time() - due)
            self.adjust(min_lag_s)

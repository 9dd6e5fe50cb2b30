"""How many calls are let in at once: fewer when those inside take too long, so that they end in time."""

import asyncio
import random
from dataclasses import dataclass
from typing import Final

from chassis.observability import metrics

LATE_SHARE: Final = 0.5
"""A call is late when it took more of its deadline than this; the rest is for the way and for bad luck."""


@dataclass(frozen=True, slots=True)
class ConcurrencyLimitPolicy:
    """When the limit falls, and how fast it moves.

    - A loop that runs its timers late by `max_loop_lag_s` all the time has more to do than it can.
    - `min_ended_calls` have to have ended before they say something.
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

    It falls when, over some 100 ms, the loop was never in time: a short stop (a garbage collection, a burst)
    has one late moment and is no reason. It falls as well when most calls that ended were late: what they
    all wait for, such as the database, has more to do than it can. Some late calls are no reason: a shard
    that hangs concerns its own users only.
    """

    def __init__(
        self, max_limit: int, policy: ConcurrencyLimitPolicy = DEFAULT_CONCURRENCY_LIMIT_POLICY
    ) -> None:
        self._policy = policy
        self.in_flight = 0
        self.limit = max_limit
        self._max_limit = max_limit
        self._ended = 0
        self._late = 0

    def is_full(self) -> bool:
        """Whether another call would be one too many."""
        return self.in_flight >= self.limit

    def record_end(self, *, was_late: bool) -> None:
        """A call has ended, within its share of the time or after it."""
        self._ended += 1
        self._late += was_late

    def adjust(self, min_lag_s: float) -> None:
        """Adjust the bound to the calls that ended, and to how late the loop was at its best moment."""
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

    async def run_adjustments(self) -> None:
        """Look and adjusts until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            min_lag_s = float("inf")
            for _ in range(self._policy.polls_per_adjustment):
                pause_s = self._policy.poll_interval_s * random.uniform(0.8, 1.2)  # noqa: S311
                due = loop.time() + pause_s
                await asyncio.sleep(pause_s)
                min_lag_s = min(min_lag_s, loop.time() - due)
            self.adjust(min_lag_s)

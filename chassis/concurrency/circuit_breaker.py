"""A circuit breaker: a dependency that keeps failing gets no calls for a while."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from chassis.errors import unavailable
from chassis.observability import metrics


class BreakerState(IntEnum):
    """The value of the metric; OPEN is also that of a shard without a primary."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When a breaker opens, and when it closes again.

    With `is_reset_by_success` only failures in a row count.
    """

    failures_to_open: int = 5
    failure_window_s: float = 10.0
    open_duration_s: float = 4.0
    successes_to_close: int = 3
    is_reset_by_success: bool = False


DEFAULT_BREAKER_POLICY: Final = BreakerPolicy()


class CircuitBreaker:
    """Opens after some failures, lets single calls try again after a while, closes after some successes."""

    def __init__(
        self,
        dependency: str,
        clock: Callable[[], float] = time.monotonic,
        *,
        label: str,
        policy: BreakerPolicy = DEFAULT_BREAKER_POLICY,
    ) -> None:
        """Make a closed breaker; `dependency` is the name in errors, `label` the name in metrics."""
        self._policy = policy
        self._dependency = dependency
        self._label = label
        self._clock = clock
        self._failures: deque[float] = deque(maxlen=policy.failures_to_open)
        self._opened_at = 0.0
        self._successes = 0
        self._has_trial = False
        self._set_state(BreakerState.CLOSED)

    def admit(self) -> None:
        """Admit one call, whose end is then reported by one of the methods `record_*`.

        Raises DomainError UNAVAILABLE while the breaker is open, or while a trial call is in flight.
        """
        if self._state == BreakerState.CLOSED:
            return
        wait_s = self._opened_at + self._policy.open_duration_s - self._clock()
        if wait_s > 0 and self._state == BreakerState.OPEN:
            raise unavailable(self._dependency, retry_after_s=wait_s)
        if self._has_trial:
            raise unavailable(self._dependency)
        self._set_state(BreakerState.HALF_OPEN)
        self._has_trial = True

    @property
    def is_open(self) -> bool:
        """Whether calls are refused until the pause is over."""
        return self._state == BreakerState.OPEN

    def allow_trial(self) -> None:
        """Let the next call try without waiting: the cause of the failures is known to be over."""
        self._opened_at = float("-inf")

    def close(self) -> None:
        """Admit all calls again: the dependency is known to answer."""
        self._has_trial = False
        self._set_state(BreakerState.CLOSED)

    def record_success(self) -> None:
        """Count an answer of the dependency, which may be an error that the caller caused."""
        self._has_trial = False
        if self._state == BreakerState.HALF_OPEN:
            self._successes += 1
            if self._successes >= self._policy.successes_to_close:
                self._set_state(BreakerState.CLOSED)
        elif self._policy.is_reset_by_success:
            self._failures.clear()

    def record_failure(self) -> None:
        """Count a call that the dependency did not answer, or not in time."""
        self._has_trial = False
        now = self._clock()
        self._failures.append(now)
        if self._state == BreakerState.HALF_OPEN or self._has_failed_often(now):
            self._opened_at = now
            self._set_state(BreakerState.OPEN)

    def record_cancellation(self) -> None:
        """End a trial call that its caller cancelled: this says nothing about the dependency."""
        self._has_trial = False

    def _has_failed_often(self, now: float) -> bool:
        is_full = len(self._failures) == self._policy.failures_to_open
        return is_full and now - self._failures[0] <= self._policy.failure_window_s

    def _set_state(self, state: BreakerState) -> None:
        self._state = state
        self._successes = self._successes if state == BreakerState.HALF_OPEN else 0
        if state == BreakerState.CLOSED:
            self._failures.clear()
        metrics.breaker_state.labels(self._label).set(state)

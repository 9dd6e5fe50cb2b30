"""A circuit breaker: a dependency that keeps failing gets no calls for a while."""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from chassis.errors import unavailable
from chassis.observability import metrics

FAILURES_TO_OPEN: Final = 5
FAILURE_WINDOW_S: Final = 10.0
OPEN_DURATION_S: Final = 4.0
SUCCESSES_TO_CLOSE: Final = 3

_CLOSED, _HALF_OPEN, _OPEN = 0, 1, 2


class CircuitBreaker:
    """Opens after 5 failures in 10 s, lets single calls try again after 4 s, closes after 3 successes."""

    def __init__(self, dependency: str, clock: Callable[[], float] = time.monotonic, *, label: str) -> None:
        """Make a closed breaker; `dependency` is the name in errors, `label` the name in metrics."""
        self._dependency = dependency
        self._label = label
        self._clock = clock
        self._failures: deque[float] = deque(maxlen=FAILURES_TO_OPEN)
        self._opened_at = 0.0
        self._successes = 0
        self._has_trial = False
        self._set_state(_CLOSED)

    def admit(self) -> None:
        """Admit one call, whose end is then reported by one of the methods `record_*`.

        Raises DomainError UNAVAILABLE while the breaker is open, or while a trial call is in flight.
        """
        if self._state == _CLOSED:
            return
        wait_s = self._opened_at + OPEN_DURATION_S - self._clock()
        if wait_s > 0 and self._state == _OPEN:
            raise unavailable(self._dependency, retry_after_s=wait_s)
        if self._has_trial:
            raise unavailable(self._dependency)
        self._set_state(_HALF_OPEN)
        self._has_trial = True

    @property
    def is_open(self) -> bool:
        """Whether calls are refused until the pause is over."""
        return self._state == _OPEN

    def allow_trial(self) -> None:
        """Let the next call try without waiting: the cause of the failures is known to be over."""
        self._opened_at = float("-inf")

    def record_success(self) -> None:
        """Count an answer of the dependency, which may be an error that the caller caused."""
        self._has_trial = False
        if self._state == _HALF_OPEN:
            self._successes += 1
            if self._successes >= SUCCESSES_TO_CLOSE:
                self._set_state(_CLOSED)

    def record_failure(self) -> None:
        """Count a call that the dependency did not answer, or not in time."""
        self._has_trial = False
        now = self._clock()
        self._failures.append(now)
        if self._state == _HALF_OPEN or self._has_failed_often(now):
            self._opened_at = now
            self._set_state(_OPEN)

    def record_cancellation(self) -> None:
        """End a trial call that its caller cancelled: this says nothing about the dependency."""
        self._has_trial = False

    def _has_failed_often(self, now: float) -> bool:
        return len(self._failures) == FAILURES_TO_OPEN and now - self._failures[0] <= FAILURE_WINDOW_S

    def _set_state(self, state: int) -> None:
        self._state = state
        self._successes = self._successes if state == _HALF_OPEN else 0
        if state == _CLOSED:
            self._failures.clear()
        metrics.breaker_state.labels(self._label).set(state)

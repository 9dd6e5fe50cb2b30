"""Repeating what may succeed later: a bounded number of attempts, with growing, jittered pauses."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from chassis.concurrency.backoff import jittered_delay_s

T = TypeVar("T")
E = TypeVar("E", bound=Exception)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often something is tried, and how long the pauses are: they double from `initial_s` to `max_s`.

    `jitter` is the share of a pause that is left to chance. Without `max_attempts` the deadline is the bound.
    """

    initial_s: float
    max_s: float
    max_attempts: int | None = None
    jitter: float = 0.5

    def allows_attempt_after(self, failures: int) -> bool:
        """Whether there is another attempt after this number of failures."""
        return self.max_attempts is None or failures < self.max_attempts

    def pause_s(self, failures: int) -> float:
        """Return the seconds to wait after this number of failures, from 1."""
        return jittered_delay_s(failures - 1, base_s=self.initial_s, max_s=self.max_s, jitter=self.jitter)


async def retry_call_async(
    call: Callable[[], Awaitable[T]],
    policy: RetryPolicy,
    *,
    on: type[E] | tuple[type[E], ...],
    may_retry: Callable[[E, int], bool] | None = None,
    asked_pause_s: Callable[[E], float | None] | None = None,
    deadline: float = math.inf,
) -> T:
    """Call until it succeeds, and return its result; raise its last error when nothing is left to try.

    Only errors of the types `on` are repeated. `may_retry` is asked about the error and the number of
    failures, and only if the policy leaves an attempt, so it may draw on a budget. `asked_pause_s` says how
    long the error itself asks to wait. No pause reaches beyond `deadline`, a reading of `time.monotonic`.
    """
    failed = _FailedAttempts(policy, may_retry, asked_pause_s, deadline)
    while True:
        try:
            return await call()
        except on as error:
            pause_s = failed.next_pause_s(error)
            if pause_s is None:
                raise
        await asyncio.sleep(pause_s)


def retry_call(
    call: Callable[[], T],
    policy: RetryPolicy,
    *,
    on: type[E] | tuple[type[E], ...],
    may_retry: Callable[[E, int], bool] | None = None,
    deadline: float = math.inf,
) -> T:
    """Call as `retry_call_async` does, in a thread."""
    failed = _FailedAttempts(policy, may_retry, None, deadline)
    while True:
        try:
            return call()
        except on as error:
            pause_s = failed.next_pause_s(error)
            if pause_s is None:
                raise
        time.sleep(pause_s)


class _FailedAttempts(Generic[E]):
    def __init__(
        self,
        policy: RetryPolicy,
        may_retry: Callable[[E, int], bool] | None,
        asked_pause_s: Callable[[E], float | None] | None,
        deadline: float,
    ) -> None:
        self._policy = policy
        self._may_retry = may_retry
        self._asked_pause_s = asked_pause_s
        self._deadline = deadline
        self._failures = 0

    def next_pause_s(self, error: E) -> float | None:
        """Count a failure; return the pause before the next attempt, or None when there is none."""
        self._failures += 1
        if not self._policy.allows_attempt_after(self._failures):
            return None
        if self._may_retry is not None and not self._may_retry(error, self._failures):
            return None
        asked_s = None if self._asked_pause_s is None else self._asked_pause_s(error)
        pause_s = self._policy.pause_s(self._failures) if asked_s is None else asked_s
        return None if time.monotonic() + pause_s >= self._deadline else pause_s

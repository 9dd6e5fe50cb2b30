"""Trying a password: whether one may, and what comes of it."""

import itertools
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from chassis.call_context import add_answer_headers
from chassis.concurrency.keyed_lock import KeyedLock
from chassis.errors import DomainError
from chassis.rate_limit_headers import RateLimitStatus, format_rate_limit_headers
from services.auth.domain import FAILURE_WINDOW, SignInStanding
from services.auth.failed_sign_ins import FailedSignInCounter, SignInAttempt

MAX_CONCURRENT_TRIES: Final = 4
"""Tries at one account by one device, or by strangers, in one process: they are not counted yet."""
_ALLOWANCE_NAME: Final = "LOGIN"


@dataclass(slots=True)
class SignInOutcome:
    """How a try ended; it has failed unless somebody says otherwise."""

    has_succeeded: bool = False


class SignInThrottle:
    """Lets passwords be tried by the policy of `domain/attempts.py`, and tells callers how they stand."""

    def __init__(self, failures: FailedSignInCounter) -> None:
        self._failures = failures
        self._turns = KeyedLock()
        self._lanes = itertools.cycle(range(MAX_CONCURRENT_TRIES))

    @asynccontextmanager
    async def guarded(self, attempt: SignInAttempt) -> AsyncIterator[SignInOutcome]:
        """Within the block a password is tried. Raises RATE_LIMITED, before it, for whoever has to wait.

        The block says whether it was right; a try that breaks off, as by overload, is not counted.
        """
        async with self._turns.hold(f"{next(self._lanes)}:{attempt.device}:{attempt.address}"):
            before = await self._failures.standing(attempt)
            if before.wait_s:
                _add_allowance_headers(before)
                raise _rate_limited_error(before.wait_s)
            tried = SignInOutcome()
            yield tried
            _add_allowance_headers(
                await (self._failures.reset if tried.has_succeeded else self._failures.count)(attempt)
            )


def _add_allowance_headers(standing: SignInStanding) -> None:
    told, window_s = standing.tightest, int(FAILURE_WINDOW.total_seconds())
    is_refused = standing.wait_s > 0
    remaining, reset_s = (0, standing.wait_s) if is_refused else (told.remaining, told.reset_s)
    add_answer_headers(
        *format_rate_limit_headers(RateLimitStatus(_ALLOWANCE_NAME, told.limit, window_s, remaining, reset_s))
    )


def _rate_limited_error(wait_s: float) -> DomainError:
    return DomainError(
        "RATE_LIMITED",
        "Too many sign-ins to this account, or from this place, have failed; try again after the given time.",
        retry_after_s=max(1, math.ceil(wait_s)),
    )

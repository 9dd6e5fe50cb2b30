"""The throttle of password attempts."""

import itertools
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from chassis.concurrency.keyed_lock import KeyedLock
from chassis.errors import DomainError
from services.auth.domain.sign_in_policy import SignInStanding
from services.auth.failed_sign_ins import FailedSignInCounter, SignInAttempt

MAX_CONCURRENT_TRIES: Final = 4
"""Attempts at one account by one device, or by unknown ones, in one process, which are not counted yet."""

_WRONG_CODE: Final = "INVALID_SECOND_FACTOR"

ReportStanding = Callable[[SignInStanding], None]
"""Reports the caller's standing to the caller."""


@dataclass(slots=True)
class SignInOutcome:
    """The outcome of an attempt; it has failed unless it is marked as successful, or as undecided."""

    has_succeeded: bool = False
    is_undecided: bool = False


class SignInThrottle:
    """Admits password attempts by the policy of `domain/sign_in_policy.py`, and reports standings."""

    def __init__(self, failures: FailedSignInCounter) -> None:
        self._failures = failures
        self._locks = KeyedLock()
        self._lanes = itertools.cycle(range(MAX_CONCURRENT_TRIES))

    @asynccontextmanager
    async def guard_attempt(
        self, attempt: SignInAttempt, report: ReportStanding
    ) -> AsyncIterator[SignInOutcome]:
        """Guard the block that tries a proof. Raises RATE_LIMITED before it when the caller has to wait.

        The block sets whether it was right, or raises INVALID_SECOND_FACTOR. An attempt that ends by another
        error, as by overload, is not counted.
        """
        async with self._locks.hold(f"{next(self._lanes)}:{attempt.device}:{attempt.address}"):
            before = await self._failures.get_standing(attempt)
            if before.wait_s:
                report(before)
                raise _rate_limited_error(before.wait_s)
            tried = SignInOutcome()
            try:
                yield tried
            except DomainError as refused:
                if refused.reason == _WRONG_CODE:
                    report(await self._failures.count_failure(attempt))
                raise
            if not tried.is_undecided:
                report(await self._settle(attempt, before, tried))

    async def forget_failures(self, attempt: SignInAttempt) -> None:
        """Forget the failures at an account by unknown devices."""
        await self._failures.reset_failures(attempt)

    async def _settle(
        self, attempt: SignInAttempt, before: SignInStanding, tried: SignInOutcome
    ) -> SignInStanding:
        if not tried.has_succeeded:
            return await self._failures.count_failure(attempt)
        # Most sign-ins succeed at once: then there is nothing to reset.
        return SignInStanding(before.own) if before.is_clean else await self._failures.reset_failures(attempt)


def _rate_limited_error(wait_s: float) -> DomainError:
    return DomainError(
        "RATE_LIMITED",
        "Too many sign-ins to this account, or from this place, have failed; try again after the given time.",
        retry_after_s=max(1, math.ceil(wait_s)),
    )

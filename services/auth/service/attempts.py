"""Trying a password: whether one may, and what comes of it."""

import itertools
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from chassis.allowance import Allowance, allowance_headers
from chassis.caller import add_headers
from chassis.errors import DomainError
from chassis.turns import Turns
from services.auth.domain import WINDOW, Standing
from services.auth.failures import Attempt, FailedSignIns

MAX_AT_ONCE: Final = 4
"""Tries at one account by one device, or by strangers, in one process: they are not counted yet."""
_POLICY: Final = "LOGIN"


@dataclass(slots=True)
class Tried:
    """How a try ended; it has failed unless somebody says otherwise."""

    has_succeeded: bool = False


class Attempts:
    """Lets passwords be tried by the policy of `domain/attempts.py`, and tells callers how they stand."""

    def __init__(self, failures: FailedSignIns) -> None:
        self._failures = failures
        self._turns = Turns()
        self._lanes = itertools.cycle(range(MAX_AT_ONCE))

    @asynccontextmanager
    async def guarded(self, attempt: Attempt) -> AsyncIterator[Tried]:
        """Within the block a password is tried. Raises RATE_LIMITED, before it, for whoever has to wait.

        The block says whether it was right; a try that breaks off, as by overload, is not counted.
        """
        async with self._turns.of(f"{next(self._lanes)}:{attempt.device}:{attempt.address}"):
            before = await self._failures.standing(attempt)
            if before.wait_s:
                _tell(before)
                raise _must_wait(before.wait_s)
            tried = Tried()
            yield tried
            _tell(await (self._failures.reset if tried.has_succeeded else self._failures.count)(attempt))


def _tell(standing: Standing) -> None:
    told, window_s = standing.tightest, int(WINDOW.total_seconds())
    is_refused = standing.wait_s > 0
    remaining, reset_s = (0, standing.wait_s) if is_refused else (told.remaining, told.reset_s)
    add_headers(*allowance_headers(Allowance(_POLICY, told.limit, window_s, remaining, reset_s)))


def _must_wait(wait_s: float) -> DomainError:
    return DomainError(
        "RATE_LIMITED",
        "Too many sign-ins to this account, or from this place, have failed; try again after the given time.",
        retry_after_s=max(1, math.ceil(wait_s)),
    )

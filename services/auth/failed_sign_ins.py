"""Failed sign-ins in Redis. Without Redis attempts pass, and it is counted."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from hashlib import blake2b, sha1
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from redis.exceptions import NoScriptError

from chassis.observability import metrics
from chassis.redis.client import REDIS_ERRORS
from services.auth.domain import FAILURE_WINDOW, AccountPlan, FailureWindow, SignInPolicy, SignInStanding

FailureCommand = Literal["look", "count", "reset"]

_SCRIPT: Final = Path(__file__).with_name("failures.lua").read_text()
_SHA: Final = sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()
ANSWER_TIMEOUT_S: Final = 0.25
_MICROSECONDS: Final = 1_000_000
_WINDOW_US: Final = int(FAILURE_WINDOW.total_seconds()) * _MICROSECONDS


@dataclass(frozen=True, slots=True)
class SignInAttempt:
    """Somebody's try at the account of an address.

    `device` names a device that has signed in to it before, "" for a stranger's. `client` are the area that
    they call from and the networks around it; empty when it is not known. `plan` is the account's.
    """

    address: str
    device: str
    client: tuple[str, ...]
    plan: AccountPlan

    @property
    def is_strangers(self) -> bool:
        return not self.device


class RedisScripts(Protocol):
    """What is needed of Redis."""

    def evalsha(self, sha: str, numkeys: int, /, *keys_and_args: Any) -> Awaitable[Any]: ...

    def eval(self, script: str, numkeys: int, /, *keys_and_args: Any) -> Awaitable[Any]: ...


class FailedSignInCounter:
    """Counts failures by the policy. Addresses stand in Redis as digests."""

    def __init__(
        self, redis: RedisScripts, policy: SignInPolicy, answer_within_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        self._redis = redis
        self._policy = policy
        self._answer_within_s = answer_within_s

    async def standing(self, attempt: SignInAttempt) -> SignInStanding:
        """How this attempt stands before it is made."""
        return await self._ask("look", attempt)

    async def count(self, attempt: SignInAttempt) -> SignInStanding:
        """Counts the attempt as failed; how the next one stands."""
        return await self._ask("count", attempt)

    async def reset(self, attempt: SignInAttempt) -> SignInStanding:
        """Forgets the failures of who has signed in; a stranger has shown that strangers may be the owner.

        What the client has failed at elsewhere stays: signing in to an account of one's own must not wash
        away guesses at others.
        """
        own, stranger_wait_s = await self._at_account("reset", attempt)
        return SignInStanding(own, stranger_wait_s)

    async def _ask(self, what: FailureCommand, attempt: SignInAttempt) -> SignInStanding:
        (own, stranger_wait_s), clients = await asyncio.gather(
            self._at_account(what, attempt), self._of_client(what, attempt)
        )
        if attempt.is_strangers:
            return SignInStanding(own, stranger_wait_s, clients)
        return SignInStanding(own)

    async def _at_account(self, what: FailureCommand, attempt: SignInAttempt) -> tuple[FailureWindow, float]:
        plan = AccountPlan.FREE if attempt.is_strangers else attempt.plan
        limit = self._policy.max_failures(plan)
        tag = f"signin:{{{_digest(attempt.address)}}}"
        if not attempt.is_strangers:
            [ages] = await self._run(what, [f"{tag}:device:{attempt.device}"], limit) or [()]
            return _failure_window(limit, ages), 0.0
        keys = [f"{tag}:client:{_digest(' '.join(attempt.client[:1]))}", f"{tag}:strangers"]
        ages, row = await self._run(what, keys, limit, with_row=True) or [(), (0, 0)]
        delay_s = self._policy.stranger_delay_s(row[0])
        return _failure_window(limit, ages), max(0.0, delay_s - row[1] / _MICROSECONDS)

    async def _of_client(self, what: FailureCommand, attempt: SignInAttempt) -> list[FailureWindow]:
        if not attempt.client:
            return []
        limits = self._policy.max_client_failures()[: len(attempt.client)]
        # One tag for an area and the networks around it: they lie on one node of the cluster.
        keys = [f"signin:{{{attempt.client[-1]}}}:{area}" for area in attempt.client]
        found = await self._run(what, keys, max(limits)) or [()] * len(keys)
        return [_failure_window(limit, ages) for limit, ages in zip(limits, found, strict=True)]

    async def _run(
        self, what: FailureCommand, keys: Sequence[str], most: int, *, with_row: bool = False
    ) -> list[Any]:
        life_ms = int(self._policy.strangers_forgotten_after.total_seconds() * 1000)
        arguments = (len(keys), *keys, what, _WINDOW_US, most, int(with_row), life_ms)
        try:
            async with asyncio.timeout(self._answer_within_s):
                return await self._evaluated(arguments)
        except REDIS_ERRORS:
            metrics.cache_requests.labels("failed_sign_ins", "bypass").inc()
            return []

    async def _evaluated(self, arguments: tuple[Any, ...]) -> list[Any]:
        try:
            return list(await self._redis.evalsha(_SHA, *arguments))
        except NoScriptError:
            return list(await self._redis.eval(_SCRIPT, *arguments))


def _failure_window(limit: int, ages_us: Sequence[int]) -> FailureWindow:
    return FailureWindow(limit, tuple(age / _MICROSECONDS for age in ages_us))


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=16).hexdigest()

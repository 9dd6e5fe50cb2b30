"""Failed sign-ins in Redis. Without Redis attempts are admitted, and a metric counts them."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b, sha1
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from redis.exceptions import NoScriptError

from chassis.observability import metrics
from chassis.redis.client import REDIS_ERRORS
from services.auth.domain.accounts import AccountPlan
from services.auth.domain.sign_in_policy import FAILURE_WINDOW, FailureWindow, SignInPolicy, SignInStanding

FailureCommand = Literal["read", "count", "reset"]

_SCRIPT: Final = Path(__file__).with_name("failed_sign_ins.lua").read_text()
_SHA: Final = sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()
ANSWER_TIMEOUT_S: Final = 0.25
_MICROSECONDS: Final = 1_000_000
_WINDOW_US: Final = int(FAILURE_WINDOW.total_seconds()) * _MICROSECONDS


@dataclass(frozen=True, slots=True)
class SignInAttempt:
    """An attempt to sign in to the account of an address.

    `device` names a device that has signed in to it before, "" for an unknown one. `client` are the caller's
    network and the networks around it; empty when unknown. `plan` is the account's.
    """

    address: str
    device: str
    client: tuple[str, ...]
    plan: AccountPlan

    @property
    def is_from_unknown_device(self) -> bool:
        return not self.device


class RedisScripts(Protocol):
    """The commands of Redis that run scripts."""

    def evalsha(self, sha: str, numkeys: int, /, *keys_and_args: Any) -> Awaitable[Any]: ...

    def eval(self, script: str, numkeys: int, /, *keys_and_args: Any) -> Awaitable[Any]: ...


class FailedSignInCounter:
    """Counts failures by the policy. Redis holds addresses as digests."""

    def __init__(
        self, redis: RedisScripts, policy: SignInPolicy, answer_timeout_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        self._redis = redis
        self._policy = policy
        self._answer_timeout_s = answer_timeout_s

    async def get_standing(self, attempt: SignInAttempt) -> SignInStanding:
        """Return the standing of this attempt before it is made."""
        return await self._standing_after("read", attempt)

    async def count_failure(self, attempt: SignInAttempt) -> SignInStanding:
        """Count the attempt as failed; return the standing of the next one."""
        return await self._standing_after("count", attempt)

    async def reset_failures(self, attempt: SignInAttempt) -> SignInStanding:
        """Delete the attempt's failures at this account; of an unknown device, also those of all unknown
        ones.

        The client's failures at other accounts are kept: signing in to an account of one's own must not erase
        guesses at others.
        """
        return await self._account_standing("reset", attempt)

    async def _standing_after(self, what: FailureCommand, attempt: SignInAttempt) -> SignInStanding:
        standing, clients = await asyncio.gather(
            self._account_standing(what, attempt), self._client_failures(what, attempt)
        )
        return replace(standing, clients=clients) if attempt.is_from_unknown_device else standing

    async def _account_standing(self, what: FailureCommand, attempt: SignInAttempt) -> SignInStanding:
        plan = AccountPlan.FREE if attempt.is_from_unknown_device else attempt.plan
        limit = self._policy.max_failures(plan)
        tag = f"signin:{{{_digest(attempt.address)}}}"
        if not attempt.is_from_unknown_device:
            found = await self._run_script(what, [f"{tag}:device:{attempt.device}"], limit)
            ages = found[0] if found else ()
            return SignInStanding(_failure_window(limit, ages), is_clean=bool(found) and not ages)
        keys = [f"{tag}:client:{_digest(' '.join(attempt.client[:1]))}", f"{tag}:unknown"]
        found = await self._run_script(what, keys, limit, with_row=True)
        ages, (failures, last_age_us) = found or [(), (0, 0)]
        delay_s = self._policy.unknown_device_delay_s(failures)
        return SignInStanding(
            _failure_window(limit, ages),
            max(0.0, delay_s - last_age_us / _MICROSECONDS),
            is_clean=bool(found) and not ages and not failures,
        )

    async def _client_failures(self, what: FailureCommand, attempt: SignInAttempt) -> list[FailureWindow]:
        if not attempt.client:
            return []
        limits = self._policy.max_client_failures()[: len(attempt.client)]
        # One hash tag for a network and the networks around it: they are on one node of the cluster.
        keys = [f"signin:{{{attempt.client[-1]}}}:{area}" for area in attempt.client]
        found = await self._run_script(what, keys, max(limits)) or [()] * len(keys)
        return [_failure_window(limit, ages) for limit, ages in zip(limits, found, strict=True)]

    async def _run_script(
        self, what: FailureCommand, keys: Sequence[str], max_kept: int, *, with_row: bool = False
    ) -> list[Any]:
        life_ms = int(self._policy.unknown_device_failures_life.total_seconds() * 1000)
        arguments = (len(keys), *keys, what, _WINDOW_US, max_kept, int(with_row), life_ms)
        try:
            async with asyncio.timeout(self._answer_timeout_s):
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

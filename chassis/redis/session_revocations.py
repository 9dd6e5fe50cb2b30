"""Sessions that have ended before their tokens expire: recorded in Redis, and cached for some seconds."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from chassis.errors import DomainError
from chassis.observability import metrics
from chassis.redis.client import REDIS_ERRORS

CACHE_TTL_S: Final = 10.0
"""How long a session that has ended may still be admitted."""
_LOOKUP_TIMEOUT_S: Final = 0.25
_MAX_CACHED_SESSIONS: Final = 50_000


class RevocationRedis(Protocol):
    """The commands of Redis that this module uses."""

    def exists(self, key: str, /) -> Awaitable[int]: ...

    def set(self, key: str, value: str, /, *, ex: int) -> Awaitable[object]: ...


def revocation_key(session_id: str) -> str:
    """Return the key of a session's revocation."""
    return f"revoked:{session_id}"


class SessionRevocations:
    """Records and checks revocations. When Redis does not answer, calls are admitted and counted."""

    def __init__(self, redis: RevocationRedis, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._clock = clock
        self._cached: OrderedDict[str, tuple[bool, float]] = OrderedDict()

    async def revoke(self, session_id: str, ttl_s: int) -> None:
        """Record that a session has ended; `ttl_s` is the longest life of its access tokens.

        Raises one of `chassis.redis.client.REDIS_ERRORS` when it could not be recorded.
        """
        await self._redis.set(revocation_key(session_id), "1", ex=ttl_s)
        self._cache_state(session_id, True)

    async def raise_if_revoked(self, session_id: str) -> None:
        """Raise DomainError SESSION_REVOKED when the session has ended."""
        known = self._cached.get(session_id)
        if known is None or known[1] <= self._clock():
            revoked = await self._fetch(session_id)
        else:
            revoked = known[0]
        _raise_if_revoked(is_revoked=revoked)

    async def raise_if_revoked_now(self, session_id: str) -> None:
        """Raise DomainError SESSION_REVOKED when the session has ended; read without a cache, for streams."""
        _raise_if_revoked(is_revoked=await self._fetch(session_id))

    async def _fetch(self, session_id: str) -> bool:
        try:
            async with asyncio.timeout(_LOOKUP_TIMEOUT_S):
                revoked = bool(await self._redis.exists(revocation_key(session_id)))
        except REDIS_ERRORS:
            metrics.cache_requests.labels("revocations", "bypass").inc()
            revoked = False
        self._cache_state(session_id, revoked)
        return revoked

    def _cache_state(self, session_id: str, revoked: bool) -> None:
        self._cached[session_id] = (revoked, self._clock() + CACHE_TTL_S)
        self._cached.move_to_end(session_id)
        if len(self._cached) > _MAX_CACHED_SESSIONS:
            self._cached.popitem(last=False)


def _raise_if_revoked(*, is_revoked: bool) -> None:
    if is_revoked:
        raise DomainError("SESSION_REVOKED", "This session has ended.")

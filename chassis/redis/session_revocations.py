"""Which sessions have ended before their tokens did: a note in Redis, looked up now and then."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from cachetools import TTLCache

from chassis.errors import DomainError
from chassis.observability import metrics
from chassis.redis.client import REDIS_ERRORS

CACHE_TTL_S: Final = 10.0
"""How long a session may still be let in after it has ended."""
_LOOKUP_TIMEOUT_S: Final = 0.25
_MAX_CACHED_SESSIONS: Final = 50_000


class RevocationRedis(Protocol):
    """The commands of Redis that are used."""

    def exists(self, key: str, /) -> Awaitable[int]: ...

    def set(self, key: str, value: str, /, *, ex: int) -> Awaitable[object]: ...


def revocation_key(session_id: str) -> str:
    """Where a session's end is noted."""
    return f"revoked:{session_id}"


class SessionRevocations:
    """Notes and looks up the ends of sessions. When Redis does not answer, calls pass and are counted."""

    def __init__(self, redis: RevocationRedis, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._is_revoked: TTLCache[str, bool] = TTLCache(_MAX_CACHED_SESSIONS, CACHE_TTL_S, timer=clock)

    async def revoke(self, session_id: str, ttl_s: int) -> None:
        """Note that a session has ended; `ttl_s` is the longest life of its access tokens.

        Raises one of `chassis.redis.client.REDIS_ERRORS` when it could not be noted.
        """
        await self._redis.set(revocation_key(session_id), "1", ex=ttl_s)
        self._is_revoked[session_id] = True

    async def raise_if_revoked(self, session_id: str) -> None:
        """Raise DomainError SESSION_REVOKED when the session has ended."""
        try:
            is_revoked = self._is_revoked[session_id]
        except KeyError:
            is_revoked = await self._fetch(session_id)
        _raise_if_revoked(is_revoked=is_revoked)

    async def raise_if_revoked_now(self, session_id: str) -> None:
        """The same without the cache: for streams, which live long and look now and then."""
        _raise_if_revoked(is_revoked=await self._fetch(session_id))

    async def _fetch(self, session_id: str) -> bool:
        try:
            async with asyncio.timeout(_LOOKUP_TIMEOUT_S):
                is_revoked = bool(await self._redis.exists(revocation_key(session_id)))
        except REDIS_ERRORS:
            metrics.cache_requests.labels("revocations", "bypass").inc()
            is_revoked = False
        self._is_revoked[session_id] = is_revoked
        return is_revoked


def _raise_if_revoked(*, is_revoked: bool) -> None:
    if is_revoked:
        raise DomainError("SESSION_REVOKED", "This session has ended.")

"""Sessions that have ended before their tokens expire: recorded in Redis, and cached for some seconds."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from cachetools import TTLCache

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
        self._is_revoked: TTLCache[str, bool] = TTLCache(_MAX_CACHED_SESSIONS, CACHE_TTL_S, timer=clock)

    async def revoke(self, session_id: str, ttl_s: int) -> None:
        """Record that a session has ended; `ttl_s` is the longest life of its access tokens.

        Raises one of `chassis.redis.client.REDIS_ERRORS` when it could not be recorded.
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
        """Raise DomainError SESSION_REVOKED when the session has ended; read without a cache, for streams."""
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

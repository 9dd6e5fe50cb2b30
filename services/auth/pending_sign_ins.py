"""Sign-ins with other providers that have begun, in Redis, which holds the digests of their tickets."""

import hashlib
from typing import Final

import msgspec

from chassis.errors import unavailable
from chassis.redis import RedisCluster
from chassis.redis.client import REDIS_ERRORS
from services.auth.domain.identities import TICKET_LIFE, PendingSignIn

_STORE_NAME: Final = "The store of sign-ins"


class RedisPendingSignIns:
    """Keeps each until it is taken, or expires."""

    def __init__(self, redis: RedisCluster) -> None:
        self._redis = redis

    async def keep(self, ticket: str, pending: PendingSignIn) -> None:
        """Keep a sign-in until it expires. Raises UNAVAILABLE."""
        life_s = int(TICKET_LIFE.total_seconds())
        try:
            await self._redis.set(_ticket_key(ticket), msgspec.json.encode(pending), ex=life_s)
        except REDIS_ERRORS:
            raise unavailable(_STORE_NAME) from None

    async def take(self, ticket: str) -> PendingSignIn | None:
        """Return the sign-in of a ticket, and forget it. Raises UNAVAILABLE."""
        try:
            found = await self._redis.getdel(_ticket_key(ticket))
        except REDIS_ERRORS:
            raise unavailable(_STORE_NAME) from None
        return None if found is None else msgspec.json.decode(found, type=PendingSignIn)


def _ticket_key(ticket: str) -> str:
    return f"provider-sign-in:{hashlib.sha256(ticket.encode()).hexdigest()}"

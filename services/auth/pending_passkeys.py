"""Challenges of passkeys that wait for their answer, in Redis, which holds the digests of their tickets."""

import hashlib
from typing import Final

import msgspec

from chassis.errors import unavailable
from chassis.redis import RedisCluster
from chassis.redis.client import REDIS_ERRORS
from services.auth.domain.passkeys import CHALLENGE_LIFE, PasskeyChallenge

_STORE_NAME: Final = "The store of challenges"


class RedisPasskeyChallenges:
    """Keeps each until it is taken, or expires."""

    def __init__(self, redis: RedisCluster) -> None:
        self._redis = redis

    async def keep(self, ticket: str, challenge: PasskeyChallenge) -> None:
        """Keep a challenge until it expires. Raises UNAVAILABLE."""
        life_s = int(CHALLENGE_LIFE.total_seconds())
        try:
            await self._redis.set(_ticket_key(ticket), msgspec.json.encode(challenge), ex=life_s)
        except REDIS_ERRORS:
            raise unavailable(_STORE_NAME) from None

    async def take(self, ticket: str) -> PasskeyChallenge | None:
        """Return the challenge of a ticket, and forget it. Raises UNAVAILABLE."""
        try:
            found = await self._redis.getdel(_ticket_key(ticket))
        except REDIS_ERRORS:
            raise unavailable(_STORE_NAME) from None
        return None if found is None else msgspec.json.decode(found, type=PasskeyChallenge)


def _ticket_key(ticket: str) -> str:
    return f"passkey-challenge:{hashlib.sha256(ticket.encode()).hexdigest()}"

"""Revocations of sessions in Redis, which every service reads before it trusts an access token."""

import asyncio
from collections.abc import Iterable
from typing import Final

from chassis.observability.logging import get_logger
from chassis.redis import RedisCluster
from chassis.redis.client import REDIS_ERRORS
from chassis.redis.session_revocations import SessionRevocations
from services.auth.domain.keys import ACCESS_TOKEN_LIFE

_TIMEOUT_S: Final = 0.5

_log = get_logger()


class RedisSessionRevoker:
    """Records ended sessions for the longest life of their access tokens.

    Without Redis an access token stays valid for a quarter of an hour at most; the session itself has ended,
    and its refresh tokens do not work.
    """

    def __init__(self, redis: RedisCluster) -> None:
        self._sessions = SessionRevocations(redis)

    async def revoke(self, session_ids: Iterable[str]) -> None:
        """Revoke the access tokens of these sessions, as far as Redis answers."""
        await asyncio.gather(*(self._note_revoked(session_id) for session_id in session_ids))

    async def _note_revoked(self, session_id: str) -> None:
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await self._sessions.revoke(session_id, int(ACCESS_TOKEN_LIFE.total_seconds()))
        except REDIS_ERRORS:
            _log.warning("the end of a session could not be noted in Redis", session_id=session_id)

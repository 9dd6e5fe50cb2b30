"""Ended sessions in Redis, where every service looks before it trusts an access token."""

import asyncio
import logging
from collections.abc import Iterable
from typing import Final

from chassis.redis.client import REDIS_ERRORS
from chassis.redis.session_revocations import SessionRevocations
from services.auth.domain import ACCESS_TOKEN_LIFE

_TIMEOUT_S: Final = 0.5

log = logging.getLogger(__name__)


class RedisSessionRevoker:
    """Notes ended sessions for as long as an access token of theirs may live.

    Without Redis an access token lives on for its quarter of an hour at most; the session itself has
    ended in any case, and no refresh token works.
    """

    def __init__(self, sessions: SessionRevocations) -> None:
        self._sessions = sessions

    async def revoke(self, session_ids: Iterable[str]) -> None:
        """Makes the access tokens of these sessions worthless, as far as Redis answers."""
        await asyncio.gather(*(self._note(session_id) for session_id in session_ids))

    async def _note(self, session_id: str) -> None:
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await self._sessions.revoke(session_id, int(ACCESS_TOKEN_LIFE.total_seconds()))
        except REDIS_ERRORS:
            log.warning("the end of session %s could not be noted in Redis", session_id)

"""Finds accounts whose record of security events was tampered with."""

from collections.abc import AsyncIterator, Callable

from services.auth.domain.security_events import BrokenLink
from services.auth.repository import SecurityEventRepository


class VerifySecurityEvents:
    """Walks chains while the service goes on; each account is read at one moment."""

    def __init__(self, events: SecurityEventRepository) -> None:
        self._events = events

    async def verify_account(self, user_id: str) -> BrokenLink | None:
        """Return the first broken link of an account's chain; None when all hold."""
        return await self._events.verify_chain(user_id)

    async def verify_all(self, progress: Callable[[int], None]) -> AsyncIterator[BrokenLink]:
        """Yield the first broken link of each account that has one; `progress` gets each further account."""
        async for user_id in self._events.iterate_chained_users():
            broken = await self._events.verify_chain(user_id)
            if broken is not None:
                yield broken
            progress(1)

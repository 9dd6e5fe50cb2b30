"""Security events as people read them."""

from services.auth.domain.security_events import SecurityEvent
from services.auth.repository import AccountRepository, SecurityEventRepository


class ReadSecurityEvents:
    """Lists the events of an account, for its owner and for administrators."""

    def __init__(self, events: SecurityEventRepository, accounts: AccountRepository) -> None:
        self._events = events
        self._accounts = accounts

    async def list_own(
        self, user_id: str, *, below: int | None, size: int
    ) -> tuple[list[SecurityEvent], int | None]:
        """Return a page of a person's events, the newest first, and the number that the next one is below.

        `below` is that number, None for the first page; the last page has None.
        """
        found = await self._events.list_events(user_id, below=below, limit=size + 1)
        page = found[:size]
        return page, page[-1].number if len(found) > size else None

    async def list_of_account(
        self, user_id: str, *, below: int | None, size: int
    ) -> tuple[list[SecurityEvent], int | None]:
        """Return a page of somebody's events, as `list_own`. Raises USER_NOT_FOUND."""
        await self._accounts.get_or_raise(user_id)
        return await self.list_own(user_id, below=below, size=size)

"""The use cases of one user's inbox."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from chassis.clock import Clock
from chassis.errors import not_found
from chassis.ids import creation_time_of
from services.notification.domain.inbox import InboxPosition, Notification
from services.notification.inbox_broadcaster import InboxBroadcaster
from services.notification.repository import NotificationRepository

_BACKLOG_PAGE: Final = 100
_OVERLAP: Final = timedelta(minutes=1)
"""The maximum delay of an arrival: an older entry existed when the stream began."""
_MAX_RECENT_ENTRIES: Final = 1_000


@dataclass(frozen=True)
class InboxPage:
    """Some entries, the begin of the next page (None: there is none), and the number of all unread ones."""

    notifications: list[Notification]
    next_position: InboxPosition | None
    unread_count: int


class ReadInbox:
    """Reads, marks and watches one user's inbox."""

    def __init__(
        self,
        repository: NotificationRepository,
        broadcaster: InboxBroadcaster,
        clock: Clock,
        *,
        max_stream_s: float,
    ) -> None:
        self._repository = repository
        self._broadcaster = broadcaster
        self._clock = clock
        self._max_stream_s = max_stream_s

    async def list_page(
        self, user_id: str, *, unread_only: bool, after: InboxPosition | None, size: int
    ) -> InboxPage:
        """Return one page, newest first."""
        found, unread_count = await asyncio.gather(
            self._repository.list_page(user_id, unread_only=unread_only, after=after, limit=size + 1),
            self._repository.count_unread(user_id),
        )
        page = found[:size]
        return InboxPage(page, _position(page[-1]) if len(found) > size else None, unread_count)

    async def mark_read(self, user_id: str, ids: Sequence[str]) -> int:
        """Mark these entries; return the number of entries left unread.

        Raises:
            DomainError: NOTIFICATION_NOT_FOUND for an entry that is not in this inbox; none is marked then.
        """
        found = await self._repository.find_entries(user_id, ids)
        for id_ in ids:
            if id_ not in found:
                raise not_found("NOTIFICATION_NOT_FOUND", "notification", id_)
        await self._repository.mark_read(user_id, ids)
        return await self._repository.count_unread(user_id)

    async def mark_all_read(self, user_id: str) -> int:
        """Mark all entries up to now; return the number of entries left unread."""
        await self._repository.mark_all_read(user_id, self._clock.now())
        return await self._repository.count_unread(user_id)

    @asynccontextmanager
    async def watch_inbox(self, user_id: str, last_id: str) -> AsyncIterator[AsyncIterator[Notification]]:
        """Yield new entries as they arrive; with `last_id`, first those that came after it.

        "After" is by creation time; two workers that write to one inbox in the same instant may commit in the
        other order. The pages of the inbox are complete in any case.

        Raises:
            DomainError: OVERLOADED for too many streams or too slow a reader, UNAVAILABLE when arrivals
                cannot be followed. In each case the client resumes with the ID of the last entry.
        """
        with self._broadcaster.subscribe(user_id) as listener:
            await self._broadcaster.wait_until_following(user_id)
            # Read before the stream is open: every later entry is new.
            recently = self._clock.now() - _OVERLAP
            known = {
                each.id
                for each in await self._repository.list_since(user_id, (recently, ""), _MAX_RECENT_ENTRIES)
            }
            end = asyncio.get_running_loop().call_later(self._max_stream_s, listener.end)
            try:
                yield self._each_once(user_id, last_id, aiter(listener), recently, known)
            finally:
                end.cancel()

    async def _each_once(
        self,
        user_id: str,
        last_id: str,
        live: AsyncIterator[Notification],
        recently: datetime,
        known: set[str],
    ) -> AsyncIterator[Notification]:
        """Yield the backlog, then arrivals; some arrivals are seen late, and are in the backlog already."""
        async for notification in self._backlog(user_id, last_id):
            if notification.create_time >= recently:
                known.add(notification.id)
            yield notification
        async for notification in live:
            if notification.id not in known and notification.create_time >= recently:
                yield notification

    async def _backlog(self, user_id: str, last_id: str) -> AsyncIterator[Notification]:
        if not last_id:
            return
        after = await self._position_of(user_id, last_id)
        while page := await self._repository.list_since(user_id, after, _BACKLOG_PAGE):
            for notification in page:
                yield notification
            after = _position(page[-1])

    async def _position_of(self, user_id: str, last_id: str) -> InboxPosition:
        found = await self._repository.find_entries(user_id, [last_id])
        return _position(found[last_id]) if last_id in found else (creation_time_of(last_id), last_id)


def _position(notification: Notification) -> InboxPosition:
    return notification.create_time, notification.id

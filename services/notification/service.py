"""The use cases: telling people, and their inboxes."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from chassis.clock import Clock
from chassis.errors import not_found, unavailable
from chassis.ids import creation_time_of, new_id, slot_of
from chassis.messaging import IncomingEvent
from services.notification.domain.inbox import MailDelivery, Notification
from services.notification.domain.notices import (
    Audience,
    Notice,
    Notices,
    ToAddress,
    ToCompany,
    is_too_old_to_notify,
)
from services.notification.domain.recipients import Addressee, Recipient
from services.notification.field_cipher import FieldCipher
from services.notification.inbox_broadcaster import InboxBroadcaster
from services.notification.rendering import NotificationRenderer
from services.notification.repository import InboxPosition, NotificationRepository, OutgoingNotification

_BACKLOG_PAGE: Final = 100
_OVERLAP: Final = timedelta(minutes=1)
"""How late an arrival may be seen at most: an older entry was there when the stream began."""
_MAX_KNOWN: Final = 1_000


class UpdateRecipients:
    """Keeps up with whom we can reach."""

    def __init__(self, store: NotificationRepository) -> None:
        self._store = store

    async def registered(self, user_id: str, *, email: str, name: str, company_id: str) -> None:
        """Remembers a new account, and its company's new member."""

        def change(recipient: Recipient) -> Recipient:
            return recipient.registered(email=email, name=name, company_id=company_id)

        if company_id:
            await self._store.add_company_member(company_id, user_id)
        await self._store.change_recipient(user_id, change)

    async def profile_updated(
        self, user_id: str, *, name: str, locale: str, time_zone: str, at: datetime
    ) -> None:
        """Remembers a changed name, language or time zone."""

        def change(recipient: Recipient) -> Recipient:
            return recipient.profile_updated(name=name, locale=locale, time_zone=time_zone, at=at)

        await self._store.change_recipient(user_id, change)


class Dispatcher:
    """Turns notices into inbox entries and mails."""

    def __init__(
        self, store: NotificationRepository, mails: NotificationRenderer, envelopes: FieldCipher, clock: Clock
    ) -> None:
        self._store = store
        self._mails = mails
        self._envelopes = envelopes
        self._clock = clock

    async def tell(self, notices: Notices, handling: IncomingEvent) -> None:
        """Puts each notice into the inboxes of its audience and asks for the mails; once per event.

        What happened longer ago than `MAX_NOTICE_AGE` (history that was sown or replayed) is told to nobody.

        Raises:
            DomainError: UNAVAILABLE when somebody of the audience is not known yet.
        """
        if is_too_old_to_notify(handling.time, self._clock.now()):
            return
        parcels = [
            self._parcel(notice, user_id, reader, handling)
            for notice in notices
            for user_id, reader in (await self._readers(notice.audience)).items()
            if await self._may_tell(notice, user_id)
        ]
        await self._store.deliver(parcels, handling)

    async def _readers(self, audience: Audience) -> Mapping[str, Addressee]:
        if isinstance(audience, ToAddress):
            return {audience.user_id: await self._reader_at(audience)}
        user_ids = await self._members(audience) if isinstance(audience, ToCompany) else (audience.user_id,)
        known = await self._store.recipients(user_ids)
        readers = {user_id: recipient.reader for user_id, recipient in known.items()}
        reachable = {user_id: reader for user_id, reader in readers.items() if reader}
        if missing := set(user_ids) - set(reachable):
            raise unavailable(f"The address of {', '.join(sorted(missing))}")
        return reachable

    async def _reader_at(self, audience: ToAddress) -> Addressee:
        """In the language that we know them to read, if we know them already."""
        known = (await self._store.recipients((audience.user_id,))).get(audience.user_id)
        return known.reader_at(audience.email) if known else Addressee(email=audience.email)

    async def _members(self, company: ToCompany) -> tuple[str, ...]:
        members = await self._store.company_members(company.company_id)
        if not members:
            raise unavailable(f"The list of members of {company.company_id}")
        return members

    async def _may_tell(self, notice: Notice, user_id: str) -> bool:
        before = notice.only_after
        return before is None or await self._store.was_told(user_id, before.template, notice.content.about)

    def _parcel(
        self, notice: Notice, user_id: str, reader: Addressee, handling: IncomingEvent
    ) -> OutgoingNotification:
        content = notice.content
        # The same event, reader and template give the same ID, whoever handles the event, and how often.
        seed = f"{handling.event_id}:{user_id}:{content.template}".encode()
        id_ = new_id("ntf", slot_of(user_id), at=handling.time, seed=seed)
        now = self._clock.now()
        delivery = MailDelivery(
            id=id_,
            recipient_id=user_id,
            template=content.template,
            version=content.version,
            create_time=now,
            sealed=self._envelopes.seal(content, reader, delivery_id=id_),
        )
        return OutgoingNotification(
            delivery, self._entry(delivery, notice, reader) if content.in_inbox else None
        )

    def _entry(self, delivery: MailDelivery, notice: Notice, reader: Addressee) -> Notification:
        text = self._mails.inbox_text(notice.content, reader)
        return Notification(
            id=delivery.id,
            recipient_id=delivery.recipient_id,
            category=notice.content.category,
            template=delivery.template,
            title=text.title,
            body=text.body,
            about=notice.content.about,
            create_time=delivery.create_time,
        )


@dataclass(frozen=True)
class InboxPage:
    """Some entries, where the next page begins (None: nowhere), and how many entries are unread in all."""

    notifications: list[Notification]
    next_position: InboxPosition | None
    unread_count: int


class ReadInbox:
    """One user's inbox: reading it, marking it, and watching it."""

    def __init__(
        self, store: NotificationRepository, feed: InboxBroadcaster, clock: Clock, *, stream_most_s: float
    ) -> None:
        self._store = store
        self._feed = feed
        self._clock = clock
        self._stream_most_s = stream_most_s

    async def page(
        self, user_id: str, *, unread_only: bool, after: InboxPosition | None, size: int
    ) -> InboxPage:
        """One page, newest first."""
        found, unread_count = await asyncio.gather(
            self._store.page(user_id, unread_only=unread_only, after=after, limit=size + 1),
            self._store.unread_count(user_id),
        )
        page = found[:size]
        return InboxPage(page, _position(page[-1]) if len(found) > size else None, unread_count)

    async def mark_read(self, user_id: str, ids: Sequence[str]) -> int:
        """Marks these entries; returns how many are left unread.

        Raises:
            DomainError: NOTIFICATION_NOT_FOUND for an entry that is not in this inbox; none is marked then.
        """
        found = await self._store.find(user_id, ids)
        for id_ in ids:
            if id_ not in found:
                raise not_found("NOTIFICATION_NOT_FOUND", "notification", id_)
        await self._store.mark_read(user_id, ids)
        return await self._store.unread_count(user_id)

    async def mark_all_read(self, user_id: str) -> int:
        """Marks all up to now; returns how many came since."""
        await self._store.mark_all_read(user_id, self._clock.now())
        return await self._store.unread_count(user_id)

    @asynccontextmanager
    async def watching(self, user_id: str, last_id: str) -> AsyncIterator[AsyncIterator[Notification]]:
        """New entries as they arrive; first, when `last_id` is given, those that came after it.

        After is by the time at which they were made; two workers that write to one inbox in the same instant
        may commit in the other order. The pages of the inbox are complete in any case.

        Raises:
            DomainError: OVERLOADED for too many streams or too slow a reader, UNAVAILABLE when arrivals
                cannot be followed. In each case one resumes with the ID of the last entry.
        """
        with self._feed.listen(user_id) as listener:
            await self._feed.opened(user_id)
            # Before anybody is told that the stream is open: what comes after that is news.
            recently = self._clock.now() - _OVERLAP
            known = {each.id for each in await self._store.since(user_id, (recently, ""), _MAX_KNOWN)}
            end = asyncio.get_running_loop().call_later(self._stream_most_s, listener.end)
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
        """The backlog, then what arrives; arrivals are seen a little late, so some are in the backlog."""
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
        while page := await self._store.since(user_id, after, _BACKLOG_PAGE):
            for notification in page:
                yield notification
            after = _position(page[-1])

    async def _position_of(self, user_id: str, last_id: str) -> InboxPosition:
        found = await self._store.find(user_id, [last_id])
        return _position(found[last_id]) if last_id in found else (creation_time_of(last_id), last_id)


def _position(notification: Notification) -> InboxPosition:
    return notification.create_time, notification.id

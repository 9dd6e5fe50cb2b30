"""What the notification service holds of a person, for the person's own copy: recipient and inbox.

The log of mails, which is gone after 30 days, holds nothing that the inbox or the person's mailbox lacks.
"""

from datetime import datetime

from chassis.personal_data import (
    MAX_RECORDS_PER_PAGE,
    JsonFields,
    PersonalDataSection,
    SectionedPersonalData,
    SectionPage,
    personal_fields,
    read_single,
    section_page,
)
from services.notification.domain.inbox import InboxPosition, Notification
from services.notification.repository import NotificationRepository


class ListNotificationData:
    """Reads the sections, which `source` holds together."""

    def __init__(self, repository: NotificationRepository) -> None:
        self._repository = repository

    @property
    def source(self) -> SectionedPersonalData:
        """All that is listed of a person."""
        return SectionedPersonalData(
            PersonalDataSection("recipient", read_single(self._find_recipient)),
            PersonalDataSection("notifications", self._read_inbox),
        )

    async def _find_recipient(self, user_id: str) -> JsonFields | None:
        found = (await self._repository.find_recipients([user_id])).get(user_id)
        return None if found is None else personal_fields(found)

    async def _read_inbox(self, user_id: str, after: str) -> SectionPage:
        rows = await self._repository.list_page(
            user_id, unread_only=False, after=_position(after), limit=MAX_RECORDS_PER_PAGE
        )
        return section_page(rows, MAX_RECORDS_PER_PAGE, personal_fields, _key_of)


def _key_of(notification: Notification) -> str:
    return f"{notification.create_time.isoformat()} {notification.id}"


def _position(key: str) -> InboxPosition | None:
    if not key:
        return None
    moment, _, id_ = key.partition(" ")
    return datetime.fromisoformat(moment), id_

"""The use case that keeps the recipients of notifications."""

from datetime import datetime

from services.notification.domain.recipients import Recipient
from services.notification.repository import NotificationRepository


class UpdateRecipients:
    """Keeps the recipients up to date with accounts and profiles."""

    def __init__(self, repository: NotificationRepository) -> None:
        self._repository = repository

    async def record_registration(
        self, user_id: str, *, email: str, name: str, company_id: str, locale: str = ""
    ) -> None:
        """Store a new account, and its company's new member."""

        def change(recipient: Recipient) -> Recipient:
            return recipient.with_registration(email=email, name=name, company_id=company_id, locale=locale)

        if company_id:
            await self._repository.add_company_member(company_id, user_id)
        await self._repository.update_recipient(user_id, change)

    async def record_profile(
        self, user_id: str, *, name: str, locale: str, time_zone: str, at: datetime
    ) -> None:
        """Store a changed name, language or time zone."""

        def change(recipient: Recipient) -> Recipient:
            return recipient.with_profile(name=name, locale=locale, time_zone=time_zone, at=at)

        await self._repository.update_recipient(user_id, change)

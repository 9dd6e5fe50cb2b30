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
            await self._repository.set_company_member(company_id, user_id, is_member=True)
        await self._repository.update_recipient(user_id, change)

    async def record_membership(
        self, company_id: str, user_id: str, *, is_member: bool, team_version: int
    ) -> None:
        """Add or remove a member of a company, unless a later change of the member is known."""
        await self._repository.set_company_member(
            company_id, user_id, is_member=is_member, team_version=team_version
        )

    async def record_email(self, user_id: str, email: str, account_version: int) -> None:
        """Store another address of an account."""
        await self._repository.update_recipient(
            user_id, lambda recipient: recipient.with_email(email, account_version)
        )

    async def record_profile(
        self, user_id: str, *, name: str, locale: str, time_zone: str, at: datetime
    ) -> None:
        """Store a changed name, language or time zone."""

        def change(recipient: Recipient) -> Recipient:
            return recipient.with_profile(name=name, locale=locale, time_zone=time_zone, at=at)

        await self._repository.update_recipient(user_id, change)

    async def forget_application(self, company_id: str, application_id: str) -> None:
        """Remove the entries about an application from the inboxes of its company's members."""
        members = (await self._repository.find_company_members([company_id])).get(company_id, ())
        await self._repository.remove_entries_about(members, application_id)

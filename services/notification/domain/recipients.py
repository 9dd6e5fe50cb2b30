"""Recipients of notifications: built from events that may arrive in any order."""

from dataclasses import dataclass, replace
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Addressee:
    """The addressee of a text; `name`, `time_zone` (IANA) and `locale` (`de`, `de-AT`) may be empty."""

    email: str
    name: str = ""
    time_zone: str = ""
    locale: str = ""


@dataclass(frozen=True, kw_only=True)
class Recipient:
    """A person who may be notified; `email` is empty until the registration has been received.

    `registration_locale` counts as long as the profile names no language, which is `locale`. `email_version`
    is that of the account that changed its address to `email`; 0: it is the address of the registration.
    """

    id: str
    email: str = ""
    name: str = ""
    locale: str = ""
    registration_locale: str = ""
    time_zone: str = ""
    company_id: str = ""
    profile_time: datetime | None = None
    email_version: int = 0
    version: int = 0

    @property
    def addressee(self) -> Addressee | None:
        """The addressee of mails; None while no address is known."""
        return self.addressee_at(self.email) if self.email else None

    def addressee_at(self, email: str, locale: str = "") -> Addressee:
        """Return the addressee at an address of an event, in the event's language if it has one."""
        locale = locale or self.locale or self.registration_locale
        return Addressee(email=email, name=self.name, time_zone=self.time_zone, locale=locale)

    def with_registration(self, *, email: str, name: str, company_id: str, locale: str = "") -> "Recipient":
        """Return it with a registration; the name of an earlier profile is kept."""
        known_name = self.name if self.profile_time and self.name else name
        return replace(
            self,
            email=self.email if self.email_version else email,
            name=known_name,
            company_id=company_id,
            registration_locale=locale or self.registration_locale,
        )

    def with_email(self, email: str, account_version: int) -> "Recipient":
        """Return it with the address of a version of the account, unless that of a later one is known."""
        if account_version <= self.email_version:
            return self
        return replace(self, email=email, email_version=account_version)

    def with_profile(self, *, name: str, locale: str, time_zone: str, at: datetime) -> "Recipient":
        """Return it with a changed profile, unless a later change was applied before."""
        if self.profile_time and at < self.profile_time:
            return self
        return replace(self, name=name or self.name, locale=locale, time_zone=time_zone, profile_time=at)

"""Whom we can reach: built from events that may arrive in any order."""

from dataclasses import dataclass, replace
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Addressee:
    """For whom something is written; `name`, `time_zone` (IANA) and `locale` (`de`, `de-AT`) may be empty."""

    email: str
    name: str = ""
    time_zone: str = ""
    locale: str = ""


@dataclass(frozen=True, kw_only=True)
class Recipient:
    """Somebody we may write to; `email` is empty until the registration has been heard of."""

    id: str
    email: str = ""
    name: str = ""
    locale: str = ""
    time_zone: str = ""
    company_id: str = ""
    profile_time: datetime | None = None
    version: int = 0

    @property
    def reader(self) -> Addressee | None:
        """For whom to write; None as long as we know no address."""
        return self.reader_at(self.email) if self.email else None

    def reader_at(self, email: str) -> Addressee:
        """For whom to write at an address that somebody else tells."""
        return Addressee(email=email, name=self.name, time_zone=self.time_zone, locale=self.locale)

    def registered(self, *, email: str, name: str, company_id: str) -> "Recipient":
        """With what the registration told; a profile that we heard of before knows the name better."""
        known_name = self.name if self.profile_time and self.name else name
        return replace(self, email=email, name=known_name, company_id=company_id)

    def profile_updated(self, *, name: str, locale: str, time_zone: str, at: datetime) -> "Recipient":
        """With a changed profile, unless a later change was heard of before."""
        if self.profile_time and at < self.profile_time:
            return self
        return replace(self, name=name or self.name, locale=locale, time_zone=time_zone, profile_time=at)

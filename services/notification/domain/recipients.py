"""Whom we can reach: built from events that may arrive in any order."""

from dataclasses import dataclass, replace
from datetime import datetime


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

    @property
    def reachable(self) -> bool:
        """Whether we know an address."""
        return bool(self.email)

    def registered(self, *, email: str, name: str, company_id: str) -> "Recipient":
        """With what the registration told; a profile that we heard of before knows the name better."""
        known_name = self.name if self.profile_time else name
        return replace(self, email=email, name=known_name, company_id=company_id)

    def profile_updated(self, *, name: str, locale: str, time_zone: str, at: datetime) -> "Recipient":
        """With a changed profile, unless a later change was heard of before."""
        if self.profile_time and at < self.profile_time:
            return self
        return replace(self, name=name or self.name, locale=locale, time_zone=time_zone, profile_time=at)

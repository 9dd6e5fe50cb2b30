"""The events of profiles and companies, by which other services follow changes."""

from dataclasses import dataclass

from services.user.domain.company import Company, CompanyState
from services.user.domain.profile import Profile


@dataclass(frozen=True, slots=True)
class ProfileWasUpdated:
    """The part of a profile that other services know; changes of the rest are not events."""

    user_id: str
    name: str
    locale: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class CompanyWasUpdated:
    """The part of a company's profile that other services know."""

    company_id: str
    name: str
    url: str


@dataclass(frozen=True, slots=True)
class CompanyStateWasChanged:
    """A moderator has put a company into another state; `version` counts the company's changes."""

    company_id: str
    company_name: str
    source: CompanyState
    target: CompanyState
    version: int
    moderator: str
    reason: str


UserEvent = ProfileWasUpdated | CompanyWasUpdated | CompanyStateWasChanged


def profile_updated(profile: Profile) -> ProfileWasUpdated:
    """Return the event of a profile as it is now."""
    return ProfileWasUpdated(profile.id, profile.name, profile.locale, profile.time_zone)


def company_updated(company: Company) -> CompanyWasUpdated:
    """Return the event of a company as it is now."""
    return CompanyWasUpdated(company.id, company.name, company.url)


def company_state_changed(
    before: Company, after: Company, moderator: str, reason: str
) -> CompanyStateWasChanged:
    """Return the event of a moderator's decision."""
    return CompanyStateWasChanged(
        after.id, after.name, before.state, after.state, after.version, moderator, reason
    )

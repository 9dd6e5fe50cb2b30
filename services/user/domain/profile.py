"""People's profiles and their rules."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Final
from zoneinfo import available_timezones

from chassis.errors import Violation, domain_error
from chassis.text import fold_for_comparison, is_blank
from services.user.domain.normalisation import format_violations
from services.user.domain.skills import skill_id_violations

MAX_CLAIM_AGE: Final = timedelta(minutes=1)
"""Much longer than the deadline of the call that claims a company and then joins it."""


class ProfileKind(StrEnum):
    UNSPECIFIED = "UNSPECIFIED"
    STUDENT = "STUDENT"
    COMPANY = "COMPANY"
    MODERATOR = "MODERATOR"
    ADMIN = "ADMIN"


class Visibility(StrEnum):
    """The visibility of a student to recruiters."""

    UNSPECIFIED = "UNSPECIFIED"
    NOBODY = "NOBODY"
    WHEN_I_APPLY = "WHEN_I_APPLY"
    RECRUITERS = "RECRUITERS"


class SkillLevel(StrEnum):
    UNSPECIFIED = "UNSPECIFIED"
    BEGINNER = "BEGINNER"
    INTERMEDIATE = "INTERMEDIATE"
    ADVANCED = "ADVANCED"
    EXPERT = "EXPERT"


class PreferredWorkMode(StrEnum):
    UNSPECIFIED = "UNSPECIFIED"
    ON_SITE = "ON_SITE"
    HYBRID = "HYBRID"
    REMOTE = "REMOTE"


@dataclass(frozen=True, slots=True)
class Location:
    city: str = ""
    region: str = ""
    country: str = ""
    lat: float | None = None
    lng: float | None = None


@dataclass(frozen=True, slots=True)
class ProfileLink:
    label: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Skill:
    """A skill; `id` is that of the taxonomy, empty for any other text."""

    name: str
    level: SkillLevel = SkillLevel.UNSPECIFIED
    id: str = ""


@dataclass(frozen=True, slots=True)
class Education:
    """Dates as `2027`, `2027-09` or `2027-09-30`, or empty."""

    institution: str
    area: str = ""
    degree: str = ""
    start: str = ""
    end: str = ""
    score: str = ""


@dataclass(frozen=True, slots=True)
class Experience:
    """Dates as `2027`, `2027-09` or `2027-09-30`, or empty."""

    organisation: str
    position: str = ""
    start: str = ""
    end: str = ""
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Project:
    name: str
    url: str = ""
    summary: str = ""
    keywords: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Language:
    name: str
    fluency: str = ""


@dataclass(frozen=True, slots=True)
class ProfileCertificate:
    name: str
    issuer: str = ""
    date: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Availability:
    """Days as `2027-03-01`, or empty."""

    from_: str = ""
    to: str = ""
    hours_per_week: int = 0


@dataclass(frozen=True, slots=True)
class Preferences:
    fields: tuple[str, ...] = ()
    cities: tuple[str, ...] = ()
    work_modes: tuple[PreferredWorkMode, ...] = ()
    currency: str = ""
    min_hourly_pay_minor: int = 0


@dataclass(frozen=True, slots=True)
class Student:
    """The student's part of a profile. `open_to_work` is None for students who have not said."""

    headline: str = ""
    summary: str = ""
    location: Location | None = None
    links: tuple[ProfileLink, ...] = ()
    education: tuple[Education, ...] = ()
    experience: tuple[Experience, ...] = ()
    projects: tuple[Project, ...] = ()
    skills: tuple[Skill, ...] = ()
    languages: tuple[Language, ...] = ()
    certificates: tuple[ProfileCertificate, ...] = ()
    availability: Availability | None = None
    work_authorisation: tuple[str, ...] = ()
    preferences: Preferences | None = None
    visibility: Visibility = Visibility.WHEN_I_APPLY
    blocked_company_ids: tuple[str, ...] = ()
    open_to_work: bool | None = None


@dataclass(frozen=True, slots=True)
class RegisteredAccount:
    """A registered account; a higher version of it is newer."""

    user_id: str
    email: str
    name: str
    kind: ProfileKind
    company_id: str
    account_version: int
    email_verified: bool = False


@dataclass(frozen=True, slots=True)
class Profile:
    """A person with an account. Version 0 has not been stored yet.

    `account_version` is that of its registration; None before it has been received: such a profile holds the
    access token's data and the fields that its owner has filled in since.

    `company_id` is the company to which the person belongs, so that nobody joins two at once. It is claimed
    before the person is a member; `claim_time` is set until the membership is confirmed. `membership_number`
    counts the person's memberships, from 0 for that of the registration.
    """

    id: str
    kind: ProfileKind
    company_id: str = ""
    name: str = ""
    email: str = ""
    time_zone: str = ""
    locale: str = ""
    student: Student | None = None
    email_verified: bool = False
    account_version: int | None = None
    create_time: datetime | None = None
    update_time: datetime | None = None
    version: int = 0
    membership_number: int = 0
    claim_time: datetime | None = None

    def with_next_version(self, now: datetime) -> "Profile":
        """Return the next version, at this time."""
        return replace(self, create_time=self.create_time or now, update_time=now, version=self.version + 1)

    def with_registration(self, account: RegisteredAccount) -> "Profile":
        """Return the profile with a registration; the same object when that is not newer.

        The first registration fills the empty fields. A later one comes only while the address is unverified:
        another person registered it, who does not own the fields that the earlier one filled in.
        """
        if self.account_version is None:
            known, name = self, self.name or account.name
        elif account.account_version > self.account_version:
            known, name = self._without_owner_data(), account.name
        else:
            return self
        return replace(
            known,
            name=name,
            email=account.email,
            kind=account.kind,
            # A membership that the person accepted is newer than any registration.
            company_id=self.company_id if self.membership_number else account.company_id,
            account_version=account.account_version,
            email_verified=known.email_verified or account.email_verified,
        ).with_student_part()

    def _without_owner_data(self) -> "Profile":
        return Profile(
            self.id,
            self.kind,
            email_verified=self.email_verified,
            create_time=self.create_time,
            version=self.version,
            membership_number=self.membership_number,
            claim_time=self.claim_time,
        )

    def has_stale_claim(self, now: datetime) -> bool:
        """Return whether the claim of a company was not confirmed in the time that joining takes."""
        return self.claim_time is not None and now - self.claim_time > MAX_CLAIM_AGE

    def with_company_claim(self, company_id: str, now: datetime) -> "Profile":
        """Return the profile that claims a company for a new membership; the same if it is claimed already.

        Raises ALREADY_IN_COMPANY.
        """
        if self.company_id == company_id:
            return self
        if self.company_id:
            raise domain_error("ALREADY_IN_COMPANY", "This account belongs to another company.")
        number = self.membership_number + 1
        return replace(self, company_id=company_id, membership_number=number, claim_time=now)

    def with_confirmed_membership(self, company_id: str, number: int) -> "Profile":
        """Return the profile whose claim has become a membership; the same for any other claim."""
        if self.claim_time is None or (self.company_id, self.membership_number) != (company_id, number):
            return self
        return replace(self, claim_time=None)

    def without_membership(self, company_id: str, number: int) -> "Profile":
        """Return the profile after the end of a membership; the same if a later one has begun."""
        if (self.company_id, self.membership_number) != (company_id, number):
            return self
        # The next number, so that the company of a late registration does not come back.
        return replace(self, company_id="", membership_number=number + 1, claim_time=None)

    def with_email(self, email: str, account_version: int) -> "Profile":
        """Return the profile with the address of a version of the account, unless a later one is known."""
        if self.account_version is not None and account_version <= self.account_version:
            return self
        return replace(self, email=email, account_version=account_version)

    def with_verified_email(self) -> "Profile":
        """Return the profile after its address was verified."""
        return replace(self, email_verified=True)

    def with_student_part(self) -> "Profile":
        """Return the profile with a student part if it is a student's, without one otherwise."""
        if self.kind is not ProfileKind.STUDENT:
            return replace(self, student=None)
        return self if self.student else replace(self, student=Student())


def new_profile(user_id: str, kind: ProfileKind, company_id: str = "") -> Profile:
    """Return a profile with no more data than the account's."""
    return Profile(user_id, kind, company_id).with_student_part()


def check_profile(before: Profile, after: Profile) -> tuple[Violation, ...]:
    """Return the violations of a changed profile, beyond the contract's rules."""
    return tuple(_profile_violations(before, after))


def _profile_violations(before: Profile, after: Profile) -> Iterator[Violation]:
    if is_blank(after.name) and before.name:
        yield Violation("name", "cannot be empty")
    if after.time_zone and after.time_zone not in _time_zones():
        yield Violation("timeZone", f"`{after.time_zone}` is not a time zone of the IANA database")
    if after.student and after.kind is not ProfileKind.STUDENT:
        yield Violation("student", "only a student has one")
    elif after.student:
        yield from _student_violations(after.student)
        yield from skill_id_violations(before.student.skills if before.student else (), after.student.skills)


def _student_violations(student: Student) -> Iterator[Violation]:
    if student.location:
        yield from location_violations("student.location", student.location)
    yield from format_violations(student)
    yield from _repetition_violations("student.skills", (skill.name for skill in student.skills))
    yield from _repetition_violations("student.languages", (language.name for language in student.languages))
    if student.availability:
        yield from _availability_violations(student.availability)
    preferences = student.preferences
    if preferences and preferences.min_hourly_pay_minor and not preferences.currency:
        yield Violation("student.preferences.currency", "is needed with minHourlyPayMinor")


def _availability_violations(availability: Availability) -> Iterator[Violation]:
    days = {"from": availability.from_, "to": availability.to}
    unreal = [name for name, day in days.items() if day and not _is_day(day)]
    for name in unreal:
        yield Violation(f"student.availability.{name}", f"there is no day {days[name]}")
    if not unreal:
        yield from _span_violations("student.availability.to", availability.from_, availability.to)


def location_violations(path: str, location: Location) -> Iterator[Violation]:
    """Yield the violations of a location."""
    if (location.lat is None) != (location.lng is None):
        missing, given = ("lat", "lng") if location.lat is None else ("lng", "lat")
        yield Violation(f"{path}.{missing}", f"is needed with {given}")


def _span_violations(path: str, start: str, end: str) -> Iterator[Violation]:
    if start and end and end < start:
        yield Violation(path, f"{end} is before the start {start}")


def _repetition_violations(path: str, names: Iterable[str]) -> Iterator[Violation]:
    seen = set[str]()
    for index, name in enumerate(names):
        if fold_for_comparison(name) in seen:
            yield Violation(f"{path}[{index}].name", f"`{name}` is named more than once")
        seen.add(fold_for_comparison(name))


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())

"""Looks of companies at students: what the student's access log holds."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class AccessRole(StrEnum):
    """The role of the member who looked; the person stays unnamed."""

    UNSPECIFIED = "UNSPECIFIED"
    OWNER = "OWNER"
    RECRUITER = "RECRUITER"
    HIRING_MANAGER = "HIRING_MANAGER"
    VIEWER = "VIEWER"


class ProfileAccessKind(StrEnum):
    """What was opened."""

    UNSPECIFIED = "UNSPECIFIED"
    PROFILE = "PROFILE"
    APPLICATION = "APPLICATION"
    DOCUMENT = "DOCUMENT"


@dataclass(frozen=True, slots=True)
class ProfileLook:
    """One look of a company's member at a student; `application_id` is empty for a profile from a search."""

    student_id: str
    company_id: str
    company_name: str
    role: AccessRole
    kind: ProfileAccessKind
    application_id: str = ""


@dataclass(frozen=True, slots=True)
class ProfileAccess:
    """The looks of one company at one thing on one day (UTC), as an entry of the student's access log."""

    id: str
    student_id: str
    company_id: str
    company_name: str
    kind: ProfileAccessKind
    day: str
    first_time: datetime
    last_time: datetime
    roles: tuple[AccessRole, ...] = ()
    application_id: str = ""
    count: int = 1


def day_of(moment: datetime) -> str:
    """Return the day of a time in UTC, as `2027-03-01`."""
    return moment.date().isoformat()

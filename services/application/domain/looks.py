"""Looks of companies at applications, for students' access logs."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.application.domain.model import Application


class SeenPart(StrEnum):
    """The part of an application that a member is about to see."""

    APPLICATION = "APPLICATION"
    DOCUMENT = "DOCUMENT"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationLook:
    """A member's look at a part of an application."""

    application_id: str
    student_id: str
    company_id: str
    company_name: str
    member_id: str
    role: str
    part: SeenPart
    time: datetime

    @property
    def key(self) -> str:
        """What all looks of a member at one part of one application have in common on one day (UTC)."""
        return f"{self.application_id} {self.part} {self.member_id} {self.time.date().isoformat()}"


def look_at(
    application: Application, part: SeenPart, member_id: str, role: str, now: datetime
) -> ApplicationLook:
    """Return a member's look at a part of an application."""
    return ApplicationLook(
        application_id=application.id,
        student_id=application.student_id,
        company_id=application.company_id,
        company_name=application.company_name,
        member_id=member_id,
        role=role,
        part=part,
        time=now,
    )

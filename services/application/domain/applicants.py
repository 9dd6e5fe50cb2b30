"""Applicants, as the company that they apply to sees them in a list."""

from dataclasses import dataclass
from datetime import datetime

from services.application.domain.model import Application, ApplicationState


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicantRow:
    """One application as its listing's company sees it in a list; `id` is the application's."""

    id: str
    internship_id: str
    company_id: str
    student_id: str
    name: str
    headline: str
    state: ApplicationState
    submit_time: datetime
    update_time: datetime
    version: int
    is_student_hidden: bool = False


def applicant_row(application: Application) -> ApplicantRow:
    """Return the row of an application."""
    return ApplicantRow(
        id=application.id,
        internship_id=application.internship_id,
        company_id=application.company_id,
        student_id=application.student_id,
        name=application.shown_name,
        headline=application.shown_headline,
        state=application.state,
        submit_time=application.submit_time,
        update_time=application.update_time,
        version=application.version,
        is_student_hidden=application.is_student_hidden,
    )

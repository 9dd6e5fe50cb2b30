"""What the application service holds of a student, for the student's own copy: the applications.

They are as the student sees them: an undisclosed rejection and the company's notes are no part of them.
"""

from collections.abc import Callable
from datetime import datetime

from chassis.clock import Clock
from chassis.personal_data import (
    MAX_RECORDS_PER_PAGE,
    JsonFields,
    PersonalDataSection,
    SectionedPersonalData,
    SectionPage,
    section_page,
)
from services.application.domain.model import Application
from services.application.repository import ApplicationRepository

ShowApplication = Callable[[Application, datetime], JsonFields]
"""Returns an application as its student sees it at a time."""


class ListApplicationData:
    """Reads the section, which `source` holds."""

    def __init__(self, applications: ApplicationRepository, show: ShowApplication, clock: Clock) -> None:
        self._applications = applications
        self._show = show
        self._clock = clock

    @property
    def source(self) -> SectionedPersonalData:
        """All that is listed of a person."""
        return SectionedPersonalData(PersonalDataSection("applications", self._read_applications))

    async def _read_applications(self, user_id: str, after: str) -> SectionPage:
        rows = await self._applications.list_whole_of_student(user_id, after or None, MAX_RECORDS_PER_PAGE)
        now = self._clock.now()
        return section_page(rows, MAX_RECORDS_PER_PAGE, lambda row: self._show(row, now), lambda row: row.id)

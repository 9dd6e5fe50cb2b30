"""The ports to other services."""

from typing import Protocol

from services.application.domain.submission import ListingIntake, StudentSnapshot


class ListingDirectory(Protocol):
    """The port to the internship service."""

    async def get_intake(self, internship_id: str) -> ListingIntake: ...

    async def find_company_id(self, internship_id: str) -> str | None: ...

    async def reserve_opening(self, internship_id: str, application_id: str, version: int) -> None: ...

    async def take_opening(self, internship_id: str, application_id: str, version: int) -> None: ...


class StudentDirectory(Protocol):
    """The port to the user service."""

    async def get_snapshot(self, student_id: str) -> StudentSnapshot: ...

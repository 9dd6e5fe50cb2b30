"""The ports to other services."""

from collections.abc import Collection, Sequence
from typing import Protocol

from services.application.domain.model import SentDocument, SentDocumentLink
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

    async def get_blind_snapshot(self, student_id: str, texts: Sequence[str]) -> StudentSnapshot: ...


class DocumentDirectory(Protocol):
    """The port to the user service's documents that applications hold."""

    async def hold(
        self, application_id: str, student_id: str, document_ids: Sequence[str]
    ) -> tuple[SentDocument, ...]: ...

    async def settle(self, application_ids: Collection[str], *, are_stored: bool) -> None: ...

    async def list_unsettled(self) -> list[str]: ...

    async def find_link(self, application_id: str, document_id: str) -> SentDocumentLink: ...

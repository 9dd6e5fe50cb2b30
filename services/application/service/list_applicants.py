"""The applicants of a listing: reading the list, and keeping it up to date."""

from collections.abc import Collection, Sequence

from chassis.call_context import Principal
from chassis.errors import not_found
from services.application.domain.applicants import ApplicantRow
from services.application.domain.model import ApplicationState
from services.application.repository import ApplicantRepository
from services.application.service.ports import ListingDirectory


class ListApplicants:
    """The company's list of a listing's applicants."""

    def __init__(self, repository: ApplicantRepository, listings: ListingDirectory) -> None:
        self._repository = repository
        self._listings = listings

    async def list_of_listing(
        self,
        principal: Principal,
        internship_id: str,
        states: Collection[ApplicationState],
        after_id: str | None,
        limit: int,
    ) -> list[ApplicantRow]:
        """Return rows, newest first. Raises INTERNSHIP_NOT_FOUND for another company's listing."""
        rows = await self._repository.list_of_listing(internship_id, states, after_id, limit)
        company_id = rows[0].company_id if rows else await self._listings.find_company_id(internship_id)
        if not principal.org or company_id != principal.org:
            raise not_found("INTERNSHIP_NOT_FOUND", "internship", internship_id)
        return rows

    async def update_rows(self, rows: Sequence[ApplicantRow]) -> None:
        """Store rows, never an older version over a newer one."""
        await self._repository.put_rows(rows)

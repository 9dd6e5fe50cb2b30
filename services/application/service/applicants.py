"""The applicants of a listing: reading the view, and keeping it."""

from collections.abc import Collection

from chassis.call_context import Principal
from chassis.errors import not_found
from chassis.messaging import IncomingEvent
from services.application.domain.model import ApplicationState
from services.application.repository import ApplicantRepository, ApplicantRow
from services.application.service.changes import ListingDirectory


class ListApplicants:
    """The company's list of who applied to a listing."""

    def __init__(self, store: ApplicantRepository, listings: ListingDirectory) -> None:
        self._store = store
        self._listings = listings

    async def of_listing(
        self,
        member: Principal,
        internship_id: str,
        states: Collection[ApplicationState],
        after_id: str | None,
        limit: int,
    ) -> list[ApplicantRow]:
        """Newest first. Raises INTERNSHIP_NOT_FOUND unless the listing is of the member's company."""
        rows = await self._store.of_listing(internship_id, states, after_id, limit)
        company_id = rows[0].company_id if rows else await self._listings.company_of(internship_id)
        if not member.org or company_id != member.org:
            raise not_found("INTERNSHIP_NOT_FOUND", "internship", internship_id)
        return rows

    async def show(self, row: ApplicantRow, incoming: IncomingEvent) -> None:
        """Keeps the view: once per event, and never an older version over a newer one."""
        await self._store.show(row, incoming)

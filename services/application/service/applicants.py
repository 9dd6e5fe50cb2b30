"""The applicants of a listing: reading the view, and keeping it."""

from collections.abc import Collection

from chassis.caller import Principal
from chassis.errors import not_found
from chassis.messaging import Incoming
from services.application.domain.model import State
from services.application.service.changes import Listings
from services.application.store import ApplicantRow, ApplicantStore


class Applicants:
    """The company's list of who applied to a listing."""

    def __init__(self, store: ApplicantStore, listings: Listings) -> None:
        self._store = store
        self._listings = listings

    async def of_listing(
        self,
        member: Principal,
        internship_id: str,
        states: Collection[State],
        after_id: str | None,
        limit: int,
    ) -> list[ApplicantRow]:
        """Newest first. Raises INTERNSHIP_NOT_FOUND unless the listing is of the member's company."""
        rows = await self._store.of_listing(internship_id, states, after_id, limit)
        company_id = rows[0].company_id if rows else await self._listings.company_of(internship_id)
        if not member.org or company_id != member.org:
            raise not_found("INTERNSHIP_NOT_FOUND", "internship", internship_id)
        return rows

    async def show(self, row: ApplicantRow, incoming: Incoming) -> None:
        """Keeps the view: once per event, and never an older version over a newer one."""
        await self._store.show(row, incoming)

"""Openings: reserved and taken by the application service's calls, released by its events."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from chassis.errors import unavailable
from chassis.idempotency import IdempotentOperation
from chassis.messaging import IncomingEvent
from services.internship.domain import openings
from services.internship.domain.model import Listing
from services.internship.domain.openings import OpeningClaim
from services.internship.repository.listings import ListingRepository

ClaimOpening = Callable[[Listing, OpeningClaim | None, str, int, datetime], tuple[Listing, OpeningClaim]]


@dataclass(frozen=True)
class ManageOpenings:
    """The use cases of openings."""

    listings: ListingRepository

    async def take_opening(
        self,
        listing_id: str,
        application_id: str,
        application_version: int,
        operation: IdempotentOperation | None = None,
    ) -> Listing:
        """Take one opening for the application, once; the last one makes the listing FILLED.

        Raises INTERNSHIP_NOT_FOUND, NO_OPENING_LEFT, UNEXPECTED_STATE.
        """
        return await self._claim(
            openings.take_opening, listing_id, application_id, application_version, operation
        )

    async def reserve_opening(
        self,
        listing_id: str,
        application_id: str,
        application_version: int,
        operation: IdempotentOperation | None = None,
    ) -> Listing:
        """Reserve one opening for an offer of the application; a repeat reserves no second one.

        Raises INTERNSHIP_NOT_FOUND, NO_OPENING_LEFT, UNEXPECTED_STATE.
        """
        return await self._claim(
            openings.reserve_opening, listing_id, application_id, application_version, operation
        )

    async def _claim(
        self,
        claim_opening: ClaimOpening,
        listing_id: str,
        application_id: str,
        application_version: int,
        operation: IdempotentOperation | None,
    ) -> Listing:
        def decide(
            listing: Listing, claim: OpeningClaim | None, now: datetime
        ) -> tuple[Listing, OpeningClaim]:
            return claim_opening(listing, claim, application_id, application_version, now)

        listing = await self.listings.update_with_claim(
            listing_id, application_id, decide, operation=operation
        )
        if listing is None:
            raise unavailable("the listing")
        return listing

    async def release_opening(
        self,
        listing_id: str,
        application_id: str,
        application_version: int,
        *,
        was_hired: bool,
        offered: bool,
        handling: IncomingEvent,
    ) -> None:
        """Release the opening of an application that is not hired at this version, unless it is `offered`.

        A hire whose version is unknown is released only by a move that was made from HIRED.
        """

        def decide(
            listing: Listing, claim: OpeningClaim | None, now: datetime
        ) -> tuple[Listing, OpeningClaim | None]:
            if claim is None or not (was_hired or claim.application_version):
                return listing, claim
            return openings.follow_application(listing, claim, application_version, now, offered=offered)

        await self.listings.update_with_claim(
            listing_id, application_id, decide, handling=handling, needs_claim=True
        )

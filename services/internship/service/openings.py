"""Openings: kept and taken by the application service's calls, freed by its events."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from chassis.errors import unavailable
from chassis.messaging import IncomingEvent
from chassis.sharding.transactions import Transaction
from services.internship.domain import openings
from services.internship.domain.model import Listing
from services.internship.repository import listings as store
from services.internship.repository.listing_repository import ListingRepository

ClaimOpening = Callable[
    [Listing, openings.OpeningClaim | None, str, int, datetime], tuple[Listing, openings.OpeningClaim]
]


@dataclass(frozen=True)
class ManageOpenings:
    """The use cases of openings."""

    ledger: ListingRepository

    async def take(self, listing_id: str, application_id: str, application_version: int) -> Listing:
        """Takes one opening for the application, once; the last one makes the listing FILLED.

        Raises INTERNSHIP_NOT_FOUND, NO_OPENING_LEFT, UNEXPECTED_STATE.
        """

        return await self._claim(listing_id, application_id, application_version, openings.take_opening)

    async def reserve(self, listing_id: str, application_id: str, application_version: int) -> Listing:
        """Keeps one opening for an offer of the application, once.

        Raises INTERNSHIP_NOT_FOUND, NO_OPENING_LEFT, UNEXPECTED_STATE.
        """
        return await self._claim(listing_id, application_id, application_version, openings.reserve_opening)

    async def _claim(
        self, listing_id: str, application_id: str, application_version: int, claiming: ClaimOpening
    ) -> Listing:
        async def work(transaction: Transaction) -> Listing:
            old = await self.ledger.read(transaction, listing_id)
            claim = await store.find_opening_claim(transaction.db, listing_id, application_id)
            now = self.ledger.clock.now()
            new, claimed = claiming(old, claim, application_id, application_version, now)
            if claimed != claim:
                await store.put_opening_claim(transaction.db, claimed)
            await self.ledger.write(transaction, old, new, now)
            return new

        listing = await self.ledger.run(listing_id, work)
        if listing is None:
            raise unavailable("the listing")
        return listing

    async def release(
        self,
        listing_id: str,
        application_id: str,
        application_version: int,
        *,
        was_hired: bool,
        offered: bool,
        handling: IncomingEvent,
    ) -> None:
        """Frees the opening of an application that is not hired at this version, unless it is `offered`.

        A hire whose version was never told is freed only by a move that says it was hired until then.
        """

        async def work(transaction: Transaction) -> None:
            claim = await store.find_opening_claim(transaction.db, listing_id, application_id)
            if claim is None or not (was_hired or claim.application_version):
                return
            old = await self.ledger.read(transaction, listing_id)
            now = self.ledger.clock.now()
            new, freed = openings.follow_application(old, claim, application_version, now, offered=offered)
            if freed != claim:
                await store.put_opening_claim(transaction.db, freed)
            await self.ledger.write(transaction, old, new, now)

        await self.ledger.run(listing_id, work, handling=handling)

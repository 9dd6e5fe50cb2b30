"""Openings: taken by the application service's call, freed by its events."""

from dataclasses import dataclass

from chassis.errors import unavailable
from chassis.messaging import Incoming
from chassis.mongo.transactions import Transaction
from services.internship.domain import openings
from services.internship.domain.model import Listing
from services.internship.store import listings as store

from .ledger import Ledger


@dataclass(frozen=True)
class Openings:
    """The use cases of openings."""

    ledger: Ledger

    async def take(self, listing_id: str, application_id: str, application_version: int) -> Listing:
        """Takes one opening for the application, once; the last one makes the listing FILLED.

        Raises INTERNSHIP_NOT_FOUND, NO_OPENING_LEFT, UNEXPECTED_STATE.
        """

        async def work(transaction: Transaction) -> Listing:
            old = await self.ledger.read(transaction, listing_id)
            claim = await store.find_claim(transaction.db, listing_id, application_id)
            now = self.ledger.clock.now()
            new, taken = openings.take(old, claim, application_id, application_version, now)
            if taken != claim:
                await store.put_claim(transaction.db, taken)
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
        handling: Incoming,
    ) -> None:
        """Frees the opening of an application that is not hired at this version, if it has one.

        A hire whose version was never told is freed only by a move that says it was hired until then.
        """

        async def work(transaction: Transaction) -> None:
            claim = await store.find_claim(transaction.db, listing_id, application_id)
            if claim is None or not (was_hired or claim.application_version):
                return
            old = await self.ledger.read(transaction, listing_id)
            now = self.ledger.clock.now()
            new, freed = openings.release(old, claim, application_version, now)
            if freed != claim:
                await store.put_claim(transaction.db, freed)
            await self.ledger.write(transaction, old, new, now)

        await self.ledger.run(listing_id, work, handling=handling)

"""What the system does by itself: listings expire, and follow their company's name."""

from dataclasses import dataclass

from chassis.mongo.shards import Shard
from services.internship.companies import Companies
from services.internship.domain.transitions import rename_company, settle
from services.internship.store import listings as store

from .ledger import Ledger

BATCH = 200
SWEEP_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Upkeep:
    """The use cases of the system."""

    ledger: Ledger
    companies: Companies

    async def expire(self) -> None:
        """Ends the intake of open and paused listings whose deadline has passed, on every shard that answers.

        Each listing is decided anew in its own transaction, so that sweeps may overlap.
        """
        while any((await self.ledger.shards.scatter(self._expire_on, SWEEP_TIMEOUT_S)).results):
            pass

    async def _expire_on(self, shard: Shard) -> bool:
        """One batch; whether there may be another, for which shards are asked again, as listings may move."""
        due = await store.overdue(shard.db, self.ledger.clock.now(), BATCH)
        for listing_id in due:
            await self.ledger.change(listing_id, settle)
        return len(due) == BATCH

    async def follow_company(self, company_id: str) -> None:
        """Names the company in all of its listings as it is named now.

        It is looked up, not taken from the event: events may overtake each other. Raises COMPANY_NOT_FOUND,
        UNAVAILABLE.
        """
        company = (await self.companies.page(company_id)).company
        shards = self.ledger.shards
        while outdated := await store.named_otherwise(shards.of(company_id).db, company, BATCH):
            for listing_id in outdated:
                await self.ledger.change(
                    listing_id, lambda listing, now: rename_company(listing, company, now)
                )

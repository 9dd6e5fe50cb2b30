"""What the system does by itself: listings expire, and follow their company's name."""

from dataclasses import dataclass

from chassis.sharding.shard import Shard
from services.internship.domain.transitions import rename_company, settle_listing
from services.internship.peers import CompanyDirectory
from services.internship.repository import listings as store
from services.internship.repository.listing_repository import ListingRepository

BATCH_SIZE = 200
SWEEP_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class ListingUpkeep:
    """The use cases of the system."""

    ledger: ListingRepository
    companies: CompanyDirectory

    async def expire(self) -> None:
        """Ends the intake of open and paused listings whose deadline has passed, on every shard that answers.

        Each listing is decided anew in its own transaction, so that sweeps may overlap.
        """
        while any((await self.ledger.shards.scatter(self._expire_on, SWEEP_TIMEOUT_S)).results):
            pass

    async def _expire_on(self, shard: Shard) -> bool:
        """One batch; whether there may be another, for which shards are asked again, as listings may move."""
        due = await store.list_overdue_ids(shard.db, self.ledger.clock.now(), BATCH_SIZE)
        for listing_id in due:
            await self.ledger.change(listing_id, settle_listing)
        return len(due) == BATCH_SIZE

    async def follow_company(self, company_id: str) -> None:
        """Names the company in all of its listings as it is named now.

        It is looked up, not taken from the event: events may overtake each other. Raises COMPANY_NOT_FOUND,
        UNAVAILABLE.
        """
        company = (await self.companies.page(company_id)).company
        shards = self.ledger.shards
        while outdated := await store.list_ids_naming_otherwise(
            shards.shard_for(company_id).db, company, BATCH_SIZE
        ):
            for listing_id in outdated:
                await self.ledger.change(
                    listing_id, lambda listing, now: rename_company(listing, company, now)
                )

"""The use case that expires listings."""

from dataclasses import dataclass

from services.internship.domain.transitions import settle_listing
from services.internship.repository.listings import ListingRepository

BATCH_SIZE = 200


@dataclass(frozen=True)
class ExpireListings:
    """Ends the intake of listings whose deadline has passed."""

    listings: ListingRepository

    async def expire_due(self) -> None:
        """Settle open and paused listings whose deadline has passed, on every shard that answers.

        Each listing is decided again in its own transaction, so that sweeps may overlap.
        """
        while await self.listings.update_overdue(settle_listing, BATCH_SIZE):
            pass

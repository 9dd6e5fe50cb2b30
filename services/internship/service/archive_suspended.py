"""The use case that archives listings which stay suspended."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from chassis.clock import Clock
from services.internship.domain.model import SYSTEM_ACTOR, Listing, ListingState
from services.internship.domain.transitions import move_listing
from services.internship.repository.listings import ListingRepository

BATCH_SIZE = 200


@dataclass(frozen=True)
class ArchiveSuspended:
    """Archives listings that have been suspended for longer than `grace`."""

    listings: ListingRepository
    clock: Clock
    grace: timedelta

    async def archive_expired(self) -> None:
        """Archive a batch of them on every shard that answers."""
        since = self.clock.now() - self.grace
        await self.listings.update_unchanged_since(
            ListingState.SUSPENDED, since, self._archive_listing, BATCH_SIZE
        )

    def _archive_listing(self, listing: Listing, now: datetime) -> Listing:
        if listing.state is not ListingState.SUSPENDED or listing.update_time > now - self.grace:
            return listing
        return move_listing(
            listing, ListingState.ARCHIVED, SYSTEM_ACTOR, now, "It stayed suspended for too long."
        )

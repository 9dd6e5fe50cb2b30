"""Rebuilds the search index from the listings while it is in use."""

from collections.abc import Collection
from datetime import datetime

from chassis.clock import Clock
from chassis.sharding.reconciler import ReconcileProgress
from services.internship.domain.model import Listing, ListingState
from services.internship.mapping.listings import listing_to_message
from services.internship.mapping.search import index_entry_from_message
from services.internship.repository.listings import ListingRepository
from services.internship.search.port import ExpectedEntry, SearchIndex, Tombstone

UPGRADE_BATCH_SIZE = 200


class SearchIndexRebuilder:
    """Reconciles the index with the listings: it holds the open ones as they are now, and no others."""

    def __init__(
        self, listings: ListingRepository, index: SearchIndex, clock: Clock, *, write: bool = True
    ) -> None:
        self._listings = listings
        self._index = index
        self._clock = clock
        self._write = write

    async def rebuild(self, since: datetime | None, progress: ReconcileProgress) -> None:
        """Repair entries of listings changed since then, or of all; then delete entries without a listing."""
        async for page in self._listings.iterate_pages():
            changed = [each for each in page if since is None or each.update_time >= since]
            repaired = await self._reconcile([self._expected_entry(each) for each in changed])
            progress("listings", len(changed), repaired)
        if since is None:
            await self._remove_orphans(progress)

    async def upgrade_outdated(self) -> None:
        """Replace entries that are stored in an older format, on shards that answer."""
        while ids := await self._index.list_outdated_ids(UPGRADE_BATCH_SIZE):
            entries = {listing_id: await self._current_entry(listing_id) for listing_id in ids}
            repaired = await self._reconcile([each for each in entries.values() if each is not None])
            orphans = [listing_id for listing_id, entry in entries.items() if entry is None]
            await self._remove(orphans)
            if not repaired and not orphans:
                return

    async def _remove_orphans(self, progress: ReconcileProgress) -> None:
        async for ids in self._index.iterate_ids():
            known = await self._listings.existing_ids(ids)
            orphans = [listing_id for listing_id in ids if listing_id not in known]
            await self._remove(orphans)
            progress("index entries", len(ids), len(orphans))

    async def _reconcile(self, expected: list[ExpectedEntry]) -> int:
        return await self._index.reconcile(expected, self._current_entry, write=self._write)

    async def _remove(self, listing_ids: Collection[str]) -> None:
        if self._write:
            await self._index.remove(listing_ids)

    async def _current_entry(self, listing_id: str) -> ExpectedEntry | None:
        listing = await self._listings.get(listing_id)
        return None if listing is None else self._expected_entry(listing)

    def _expected_entry(self, listing: Listing) -> ExpectedEntry:
        if listing.state is ListingState.OPEN:
            return index_entry_from_message(listing_to_message(listing, self._clock.now()))
        return Tombstone(id=listing.id, version=listing.version, gone_time=listing.update_time)

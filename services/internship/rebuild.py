"""The search index, rebuilt from the listings while it is searched."""

from datetime import datetime

from chassis.clock import Clock
from chassis.ids import slot_of
from chassis.mongo.documents import Document
from chassis.sharding.reconciler import (
    DerivedCollectionReconciler,
    ReconcileProgress,
    find_existing_ids,
    iterate_pages,
)
from chassis.sharding.shard import Shard
from chassis.sharding.shards import Shards
from services.internship.domain.model import Listing, ListingState
from services.internship.mapping.listings import listing_to_message
from services.internship.repository import listings as store
from services.internship.repository import search_index
from services.internship.search.index_entry import build_index_entry

RENEW_TIMEOUT_S = 60.0
RENEWAL_BATCH_SIZE = 200


class SearchIndexRebuilder:
    """Brings the index into line with the listings: open ones are in it as they are now, no others."""

    def __init__(self, shards: Shards, clock: Clock, *, write: bool = True) -> None:
        self._shards = shards
        self._clock = clock
        self._mending = DerivedCollectionReconciler(
            shards,
            search_index.SEARCH_COLLECTION,
            self._wanted_now,
            ignored_fields=("index_time", "gone_time"),
            # Of a set, so that each process has them in another order.
            unordered_fields=("terms",),
            is_optional=lambda wanted: search_index.is_expired_tombstone(wanted, clock.now()),
            apply=write,
        )

    async def rebuild(self, since: datetime | None, progress: ReconcileProgress) -> None:
        """One shard after the other: listings changed `since` then, or all, and entries without a listing."""
        for shard in self._shards.all_shards():
            async for page in store.iterate_listing_pages(shard.db):
                changed = [each for each in page if since is None or each.update_time >= since]
                mended = await self._mending.reconcile([self._wanted(each) for each in changed])
                progress("listings", len(changed), len(mended))
            if since is None:
                await self._remove_strays(shard, progress)

    async def renew(self) -> None:
        """Makes entries anew that are stored in an older format, on shards that answer."""
        while any((await self._shards.scatter(self._renew_on, RENEW_TIMEOUT_S)).results):
            pass

    async def _renew_on(self, shard: Shard) -> bool:
        """One batch; whether there may be another."""
        ids = await search_index.list_outdated_ids(shard.db, RENEWAL_BATCH_SIZE)
        wanted = [await self._wanted_now(listing_id) for listing_id in ids]
        mended = await self._mending.reconcile([each for each in wanted if each is not None])
        gone = [listing_id for listing_id, each in zip(ids, wanted, strict=True) if each is None]
        await self._mending.delete_orphaned([{"_id": each, "slot": slot_of(each)} for each in gone])
        return len(ids) == RENEWAL_BATCH_SIZE and bool(mended or gone)

    async def _remove_strays(self, shard: Shard, progress: ReconcileProgress) -> None:
        async for page in iterate_pages(
            shard.db[search_index.SEARCH_COLLECTION], {"_id": True, "slot": True}
        ):
            known = await find_existing_ids(self._shards, store.LISTINGS, [each["_id"] for each in page])
            strays = [each for each in page if each["_id"] not in known]
            await self._mending.delete_orphaned(strays)
            progress("index entries", len(page), len(strays))

    def _wanted(self, listing: Listing) -> Document:
        now = self._clock.now()
        if listing.state is ListingState.OPEN:
            return search_index.entry_document(build_index_entry(listing_to_message(listing, now)), now)
        return search_index.tombstone(listing.id, listing.version, now, gone_time=listing.update_time)

    async def _wanted_now(self, listing_id: str) -> Document | None:
        listing = await store.find_listing(self._shards.shard_for(listing_id).db, listing_id)
        return None if listing is None else self._wanted(listing)

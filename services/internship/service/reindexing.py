"""The search index, rebuilt from the listings while it is searched."""

from datetime import datetime

from chassis.clock import Clock
from chassis.ids import slot_of
from chassis.mongo.documents import Document
from chassis.mongo.mending import Mending, Progress, existing, pages
from chassis.mongo.shards import Shard, Shards
from services.internship.domain.model import Listing, State
from services.internship.search.entry import entry_of
from services.internship.store import index
from services.internship.store import listings as store
from services.internship.wire import to_message

RENEW_TIMEOUT_S = 60.0
RENEWED_AT_ONCE = 200


class Reindexing:
    """Brings the index into line with the listings: open ones are in it as they are now, no others."""

    def __init__(self, shards: Shards, clock: Clock, *, write: bool = True) -> None:
        self._shards = shards
        self._clock = clock
        self._mending = Mending(
            shards,
            index.INDEX,
            self._wanted_now,
            stamps=("index_time", "gone_time"),
            # Of a set, so that each process has them in another order.
            unordered=("terms",),
            optional=lambda wanted: index.is_forgotten(wanted, clock.now()),
            write=write,
        )

    async def rebuild(self, since: datetime | None, progress: Progress) -> None:
        """One shard after the other: listings changed `since` then, or all, and entries without a listing."""
        for shard in self._shards.all():
            async for page in store.all_pages(shard.db):
                changed = [each for each in page if since is None or each.update_time >= since]
                mended = await self._mending.mend([self._wanted(each) for each in changed])
                progress("listings", len(changed), len(mended))
            if since is None:
                await self._remove_strays(shard, progress)

    async def renew(self) -> None:
        """Makes entries anew that are stored in an older format, on shards that answer."""
        while any((await self._shards.scatter(self._renew_on, RENEW_TIMEOUT_S)).results):
            pass

    async def _renew_on(self, shard: Shard) -> bool:
        """One batch; whether there may be another."""
        ids = await index.outdated(shard.db, RENEWED_AT_ONCE)
        wanted = [await self._wanted_now(listing_id) for listing_id in ids]
        mended = await self._mending.mend([each for each in wanted if each is not None])
        gone = [listing_id for listing_id, each in zip(ids, wanted, strict=True) if each is None]
        await self._mending.remove([{"_id": each, "slot": slot_of(each)} for each in gone])
        return len(ids) == RENEWED_AT_ONCE and bool(mended or gone)

    async def _remove_strays(self, shard: Shard, progress: Progress) -> None:
        async for page in pages(shard.db[index.INDEX], {"_id": True, "slot": True}):
            known = await existing(self._shards, store.LISTINGS, [each["_id"] for each in page])
            strays = [each for each in page if each["_id"] not in known]
            await self._mending.remove(strays)
            progress("index entries", len(page), len(strays))

    def _wanted(self, listing: Listing) -> Document:
        now = self._clock.now()
        if listing.state is State.OPEN:
            return index.entry_document(entry_of(to_message(listing, now)), now)
        return index.gravestone(listing.id, listing.version, now, gone_time=listing.update_time)

    async def _wanted_now(self, listing_id: str) -> Document | None:
        listing = await store.find(self._shards.of(listing_id).db, listing_id)
        return None if listing is None else self._wanted(listing)

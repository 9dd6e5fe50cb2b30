"""The applicants of a listing: a derived collection, in the slot of the listing."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import suppress

from pymongo import UpdateOne
from pymongo.errors import DuplicateKeyError

from chassis.ids import slot_of
from chassis.mongo.documents import Document, from_document, to_document
from chassis.sharding.collections import ShardCollection
from chassis.sharding.reconciler import DerivedCollectionReconciler, iterate_pages
from chassis.sharding.shard import Shard
from chassis.sharding.shards import Shards
from chassis.sharding.slot_repository import SlotRepository
from services.application.domain.applicants import ApplicantRow
from services.application.domain.model import FIRST_VERSION, ApplicationState, ListingEnding
from services.application.repository.collections import (
    APPLICANTS,
    LISTING_ENDINGS,
    LISTING_INDEX,
    LISTING_STATE_INDEX,
    PENDING_INDEX,
)


class ApplicantRepository(SlotRepository):
    """The list of applications by listing, and how listings have ended."""

    def __init__(self, shards: Shards) -> None:
        super().__init__(shards, resource="applicants", metrics_label=APPLICANTS)

    async def put_rows(self, rows: Iterable[ApplicantRow]) -> None:
        """Store rows, each unless its version or a newer one is stored; a repeat changes nothing.

        Raises:
            DomainError: UNAVAILABLE or another of a shard, whose rows may be stored in part.
        """
        newest: dict[str, ApplicantRow] = {}
        for row in rows:
            if row.id not in newest or newest[row.id].version < row.version:
                newest[row.id] = row
        await self._shards.run_on_shards_of(
            newest.values(), lambda row: row.internship_id, _put_rows_on_shard
        )

    async def list_of_listing(
        self, internship_id: str, states: Collection[ApplicationState], after_id: str | None, limit: int
    ) -> list[ApplicantRow]:
        """Return rows of a listing, newest first, after `after_id`, in `states` or, without any, in all.

        Uses the index `of_listing`, with states `of_listing_by_state`.
        """
        query: Document = {"slot": slot_of(internship_id), "internship_id": internship_id}
        if states:
            query["state"] = {"$in": sorted(states)}
        if after_id is not None:
            query["_id"] = {"$lt": after_id}
        hint = LISTING_STATE_INDEX if states else LISTING_INDEX
        cursor = self._collection(internship_id, APPLICANTS).find(query, hint=hint)
        rows = await cursor.sort("_id", -1).limit(limit).to_list()
        return [from_document(ApplicantRow, row) for row in rows]

    async def iterate_keys(self) -> AsyncIterator[list[Document]]:
        """Yield `_id` and `slot` of all rows, shard by shard and page by page (index `_id_`)."""
        for shard in self._shards.all_shards():
            async for page in iterate_pages(shard.db[APPLICANTS], {"_id": True, "slot": True}):
                yield page

    def reconciler(
        self, row_now: Callable[[str], Awaitable[ApplicantRow | None]], *, write: bool
    ) -> DerivedCollectionReconciler:
        """Return the reconciler of rows by their `row_document`; `row_now` reads an application's row."""

        async def document_now(application_id: str) -> Document | None:
            row = await row_now(application_id)
            return None if row is None else self.row_document(row)

        return DerivedCollectionReconciler(self._shards, APPLICANTS, document_now, apply=write)

    def row_document(self, row: ApplicantRow) -> Document:
        """Return the document of a row."""
        return _row_document(row)

    async def put_ending(self, ending: ListingEnding) -> None:
        """Store a listing's state, unless a newer one is stored; later applications are checked by it."""
        document = to_document(ending, slot=slot_of(ending.id))
        if not ending.pending:
            # The index of pending endings is sparse.
            del document["pending"]
        older = _ending_filter(ending.id) | {"version": {"$lt": ending.version}}
        with suppress(DuplicateKeyError):
            await self._collection(ending.id, LISTING_ENDINGS).replace_one(older, document, upsert=True)

    async def find_endings(self, internship_ids: Iterable[str]) -> dict[str, ListingEnding]:
        """Return the last known states of those of these listings that have one, by ID (index `_id_`)."""

        async def on_shard(shard: Shard, ids: list[str]) -> list[ListingEnding]:
            query = {"_id": {"$in": ids}, "slot": {"$in": sorted({slot_of(id_) for id_ in ids})}}
            found = shard.db[LISTING_ENDINGS].find(query, hint="_id_")
            return [from_document(ListingEnding, row) async for row in found]

        parts = await self._shards.run_on_shards_of(dict.fromkeys(internship_ids), str, on_shard)
        return {ending.id: ending for part in parts for ending in part}

    async def get_ending(self, internship_id: str) -> ListingEnding | None:
        """Return the last known state of the listing (index `_id_`)."""
        found = await self._collection(internship_id, LISTING_ENDINGS).find_one(_ending_filter(internship_id))
        return None if found is None else from_document(ListingEnding, found)

    async def mark_ending_settled(self, ending: ListingEnding) -> None:
        """Record that all applications are ended for this end of the listing."""
        same = _ending_filter(ending.id) | {"version": ending.version}
        await self._collection(ending.id, LISTING_ENDINGS).update_one(same, {"$unset": {"pending": ""}})

    async def list_pending_endings(self, limit: int) -> list[str]:
        """Return listings that may have live applications, of shards that answer (index `pending`)."""

        async def pending_on(shard: Shard) -> list[str]:
            cursor = shard.db[LISTING_ENDINGS].find({"pending": True}, {"_id": True}, hint=PENDING_INDEX)
            return [row["_id"] for row in await cursor.limit(limit).to_list()]

        found = await self._shards.scatter(pending_on, timeout_s=5.0)
        return [internship_id for part in found.results for internship_id in part]

    def _collection(self, internship_id: str, name: str) -> ShardCollection:
        return self._shards.shard_for(internship_id).db[name]


async def _put_rows_on_shard(shard: Shard, rows: Sequence[ApplicantRow]) -> None:
    """Insert the rows of new applications, and update the others."""
    new = [_row_document(row) for row in rows if row.version == FIRST_VERSION]
    changed = [_put_unless_older(row) for row in rows if row.version > FIRST_VERSION]
    if new:
        # A row of a first version that is there already is the same, or a newer one.
        await shard.db[APPLICANTS].insert_missing(new)
    if changed:
        await shard.db[APPLICANTS].bulk_write(changed, ordered=False)


def _put_unless_older(row: ApplicantRow) -> UpdateOne:
    newer = {"$gte": [{"$ifNull": ["$version", 0]}, row.version]}
    keep = {"$cond": [newer, "$$ROOT", {"$literal": _row_document(row)}]}
    return UpdateOne(_row_filter(row), [{"$replaceWith": keep}], upsert=True)


def _ending_filter(internship_id: str) -> Document:
    return {"_id": internship_id, "slot": slot_of(internship_id)}


def _row_filter(row: ApplicantRow) -> Document:
    return {"_id": row.id, "slot": slot_of(row.internship_id)}


def _row_document(row: ApplicantRow) -> Document:
    return to_document(row, slot=slot_of(row.internship_id))

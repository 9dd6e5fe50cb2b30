"""Who applied to a listing: a derived view, in the slot of the listing."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chassis.ids import slot_of
from chassis.messaging import Incoming
from chassis.mongo.documents import Document, from_document, to_document
from chassis.mongo.mending import Mending, pages
from chassis.mongo.shards import Shard, Shards
from chassis.mongo.transactions import Transaction
from services.application.domain.model import State
from services.application.store.collections import (
    APPLICANTS,
    ARCHIVED_LISTINGS,
    OF_LISTING,
    OF_LISTING_BY_STATE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicantRow:
    """One application as its listing's company sees it in a list; `id` is the application's."""

    id: str
    internship_id: str
    company_id: str
    student_id: str
    name: str
    headline: str
    state: State
    submit_time: datetime
    update_time: datetime
    version: int


class ApplicantStore:
    """Reads and keeps the view of applications by listing."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def show(self, row: ApplicantRow, incoming: Incoming) -> None:
        """Puts a row in its place, once per event, unless a newer version is there."""

        async def work(tx: Transaction) -> None:
            newer = {"$gte": [{"$ifNull": ["$version", 0]}, row.version]}
            keep = {"$cond": [newer, "$$ROOT", {"$literal": _document(row)}]}
            await tx.db[APPLICANTS].update_one(
                _by_id(row), [{"$replaceWith": keep}], upsert=True, session=tx.session
            )

        slot = slot_of(row.internship_id)
        await self._shards.of(slot).in_transaction(work, handling=incoming, slot=slot)

    async def of_listing(
        self, internship_id: str, states: Collection[State], after_id: str | None, limit: int
    ) -> list[ApplicantRow]:
        """Newest first, those after `after_id`, in one of `states` or in any when there are none.

        Uses the index `of_listing`, with states `of_listing_by_state`.
        """
        query: Document = {"slot": slot_of(internship_id), "internship_id": internship_id}
        if states:
            query["state"] = {"$in": sorted(states)}
        if after_id is not None:
            query["_id"] = {"$lt": after_id}
        hint = OF_LISTING_BY_STATE if states else OF_LISTING
        cursor = self._collection(internship_id, APPLICANTS).find(query, hint=hint)
        rows = await cursor.sort("_id", -1).limit(limit).to_list()
        return [from_document(ApplicantRow, row) for row in rows]

    async def places(self, shard: Shard) -> AsyncIterator[list[Document]]:
        """Of all rows of a shard, `_id` and `slot`, page by page (index `_id_`)."""
        async for page in pages(shard.db[APPLICANTS], {"_id": True, "slot": True}):
            yield page

    def mending(self, wanted_now: Callable[[str], Awaitable[ApplicantRow | None]], *, write: bool) -> Mending:
        """Mends rows of the view; they are made into documents by `wanted`."""

        async def document_now(application_id: str) -> Document | None:
            row = await wanted_now(application_id)
            return None if row is None else self.wanted(row)

        return Mending(self._shards, APPLICANTS, document_now, write=write)

    def wanted(self, row: ApplicantRow) -> Document:
        """The document of a row."""
        return _document(row)

    async def archive(self, internship_id: str) -> None:
        """Remembers that the listing is archived, for applications that are still on their way here."""
        key = {"_id": internship_id, "slot": slot_of(internship_id)}
        archived = self._collection(internship_id, ARCHIVED_LISTINGS)
        await archived.update_one(key, {"$setOnInsert": key}, upsert=True)

    async def is_archived(self, internship_id: str) -> bool:
        """Whether the listing was archived (index `_id_`)."""
        key = {"_id": internship_id, "slot": slot_of(internship_id)}
        return await self._collection(internship_id, ARCHIVED_LISTINGS).find_one(key) is not None

    def _collection(self, internship_id: str, name: str) -> Any:
        return self._shards.of(internship_id).db[name]


def _by_id(row: ApplicantRow) -> Document:
    return {"_id": row.id, "slot": slot_of(row.internship_id)}


def _document(row: ApplicantRow) -> Document:
    return to_document(row, slot=slot_of(row.internship_id))

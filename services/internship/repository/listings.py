"""Listings, companies' standings and the claims on openings, each in the slot of its company."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from google.protobuf.message import Message
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.asynchronous.database import AsyncDatabase

from chassis.aggregates import AggregateChange, BatchRead
from chassis.cache import Cache
from chassis.clock import Clock
from chassis.errors import unavailable
from chassis.idempotency import IdempotentOperation
from chassis.ids import slot_of
from chassis.messaging import IncomingEvent
from chassis.mongo.documents import Document, from_document, to_document
from chassis.mongo.provision import CollectionSpec
from chassis.sharding.repository import Repository
from chassis.sharding.shard import Shard
from chassis.sharding.shards import Shards
from chassis.sharding.slot_repository import ChangedSinceReadError
from chassis.sharding.transactions import Transaction
from services.internship.cached_answers import listing_cache_key
from services.internship.domain.events import (
    ListingEvent,
    ListingWasCreated,
    ListingWasDeleted,
    events_of_change,
)
from services.internship.domain.model import (
    MAX_REMEMBERED_OPERATIONS,
    Listing,
    ListingCompany,
    ListingState,
    listing_not_found,
)
from services.internship.domain.moderation import CompanyStanding
from services.internship.domain.openings import OpeningClaim
from services.internship.mapping.events import event_message
from services.internship.repository.company_standings import find_company_standing, put_company_standing

DecideListing = Callable[[Listing, datetime], Listing]
"""Returns the changed listing; the same listing for no change."""
DecideWithStanding = Callable[[Listing, CompanyStanding, datetime], tuple[Listing, CompanyStanding]]
DecideWithClaim = Callable[[Listing, OpeningClaim | None, datetime], tuple[Listing, OpeningClaim | None]]

LIST_TIMEOUT_S: Final = 4.0
SWEEP_TIMEOUT_S: Final = 60.0

LISTINGS: Final = "listings"
OPENING_CLAIMS: Final = "claims"

ID_INDEX: Final = "_id_"
COMPANY_INDEX: Final = "company"
DUE_INDEX: Final = "due"
STATE_INDEX: Final = "by_state"
DELETED_LISTINGS: Final = "deleted_listings"

COLLECTIONS: Final = (
    CollectionSpec(
        LISTINGS,
        indexes=(
            IndexModel([("company.id", ASCENDING), ("_id", DESCENDING)], name=COMPANY_INDEX),
            IndexModel([("state", ASCENDING), ("posting.apply_deadline", ASCENDING)], name=DUE_INDEX),
            IndexModel([("state", ASCENDING), ("update_time", ASCENDING)], name=STATE_INDEX),
        ),
        shard_key="slot",
    ),
    CollectionSpec(OPENING_CLAIMS, shard_key="slot"),
    # Deleted drafts, so that a late event does not create one again.
    CollectionSpec(DELETED_LISTINGS, shard_key="slot"),
)

_INTAKE_PROJECTION: Final = {
    "posting.description": False,
    "posting.responsibilities": False,
    "posting.qualifications": False,
    "history": False,
    "operations": False,
}

Database = AsyncDatabase[Document]


class ListingRepository(Repository[Listing]):
    """Listings; changes of one listing run one after the other in this process.

    `cache` holds the public answers, which every change invalidates.
    """

    def __init__(self, shards: Shards, clock: Clock, cache: Cache | None = None) -> None:
        super().__init__(
            shards,
            COLLECTIONS[0],
            Listing,
            resource="internship",
            not_found_reason="INTERNSHIP_NOT_FOUND",
            encode_event=self._encode,
            is_serialised=True,
        )
        self._clock = clock
        self._cache = cache

    async def insert_draft(self, listing: Listing) -> Listing:
        """Store a new listing, or return the one of the same ID that is stored already.

        Raises INTERNSHIP_NOT_FOUND for a deleted one.
        """
        return await self.insert(listing, ListingWasCreated(listing))

    async def update_listing(
        self, listing_id: str, decide: DecideListing, *, operation: IdempotentOperation | None = None
    ) -> Listing:
        """Update the listing to the result of `decide`, and emit its events; see `update`."""

        def decide_change(listing: Listing) -> AggregateChange[Listing] | None:
            changed = decide(listing, self._clock.now())
            if changed is listing:
                return None
            stored = _with_operation(changed, operation)
            return AggregateChange(stored, tuple(events_of_change(listing, stored)))

        return await self.update(listing_id, decide_change)

    async def update_with_standing(
        self, listing_id: str, decide: DecideWithStanding, *, operation: IdempotentOperation | None = None
    ) -> tuple[Listing, CompanyStanding]:
        """Update the listing and its company's standing in one transaction; raises as `update_listing`."""

        async def work(transaction: Transaction) -> tuple[Listing, CompanyStanding]:
            old, now = await self._get_in(transaction, listing_id), self._clock.now()
            known = await find_company_standing(transaction.db, old.company.id)
            new, standing = decide(old, known, now)
            if standing != known:
                await put_company_standing(transaction.db, standing)
            return await self._replace_and_emit(transaction, old, new, operation), standing

        return await self._change_in_transaction(listing_id, work)

    async def update_with_claim(
        self,
        listing_id: str,
        application_id: str,
        decide: DecideWithClaim,
        *,
        operation: IdempotentOperation | None = None,
        handling: IncomingEvent | None = None,
        needs_claim: bool = False,
    ) -> Listing | None:
        """Update the listing and an application's claim on it in one transaction; raises as `update_listing`.

        Returns None when the incoming event was handled before, or when a needed claim is missing.
        """

        async def work(transaction: Transaction) -> Listing | None:
            known = await _find_claim(transaction.db, listing_id, application_id)
            if known is None and needs_claim:
                return None
            old, now = await self._get_in(transaction, listing_id), self._clock.now()
            new, claim = decide(old, known, now)
            if claim is not None and claim != known:
                await _put_claim(transaction.db, claim)
            return await self._replace_and_emit(transaction, old, new, operation)

        return await self._change_in_transaction(listing_id, work, handling=handling)

    async def delete(self, listing_id: str, decide: Callable[[Listing, datetime], ListingWasDeleted]) -> None:
        """Delete the listing unless `decide` raises; raises as `update_listing`."""

        async def work(transaction: Transaction) -> None:
            listing, now = await self._get_in(transaction, listing_id), self._clock.now()
            event = decide(listing, now)
            if not await _delete(transaction.db, listing, event):
                raise ChangedSinceReadError(listing_id)
            self._emit(transaction, listing_id, [event])

        await self._change_in_transaction(listing_id, work)

    async def get_standing(self, company_id: str) -> CompanyStanding:
        """Return the company's standing."""
        return await find_company_standing(self._shards.shard_for(company_id).db, company_id)

    async def update_standing(
        self,
        company_id: str,
        decide: Callable[[CompanyStanding], CompanyStanding],
        *,
        handling: IncomingEvent | None = None,
    ) -> None:
        """Store the result of `decide` for the company's standing, once for the event in hand."""

        async def work(transaction: Transaction) -> None:
            standing = await find_company_standing(transaction.db, company_id)
            await put_company_standing(transaction.db, decide(standing))

        await self._change_in_transaction(company_id, work, handling=handling)

    async def list_intakes(self, listing_ids: Sequence[str]) -> BatchRead[Listing]:
        """Return those of the listings that exist, without long texts and history, by `_id_`."""

        async def list_shard_intakes(shard: Shard, own: list[str]) -> list[Listing]:
            query = {"_id": {"$in": own}, "slot": {"$in": sorted({slot_of(id_) for id_ in own})}}
            cursor = shard.db[LISTINGS].find(query, _INTAKE_PROJECTION, hint=ID_INDEX)
            return [from_document(Listing, document) for document in await cursor.to_list()]

        return await self._shards.find_by_ids(listing_ids, list_shard_intakes)

    async def list_of_company(
        self, company_id: str, *, states: Sequence[ListingState], before: str | None, limit: int
    ) -> list[Listing]:
        """Return the company's listings older than the listing `before`, newest first; by `company`."""
        query: Document = {"company.id": company_id, "slot": slot_of(company_id)}
        if states:
            query["state"] = {"$in": [state.value for state in states]}
        if before is not None:
            query["_id"] = {"$lt": before}
        listings = self._shards.shard_for(company_id).db[LISTINGS]
        cursor = listings.find(query, hint=COMPANY_INDEX).sort("_id", DESCENDING).limit(limit)
        return [from_document(Listing, document) async for document in cursor]

    async def list_ids_naming_otherwise(self, company: ListingCompany, limit: int) -> list[str]:
        """Return IDs of the company's listings with another name of it; by `company`."""
        query: Document = {
            "company.id": company.id,
            "slot": slot_of(company.id),
            "$or": [{"company.name": {"$ne": company.name}}, {"company.url": {"$ne": company.url}}],
        }
        listings = self._shards.shard_for(company.id).db[LISTINGS]
        return await _collect_ids(listings.find(query, {"_id": True}, hint=COMPANY_INDEX).limit(limit))

    async def list_company_ids_in_state(self, company_id: str, state: ListingState) -> list[str]:
        """Return the IDs of the company's listings in one state; by `company`."""
        query: Document = {"company.id": company_id, "slot": slot_of(company_id), "state": state.value}
        listings = self._shards.shard_for(company_id).db[LISTINGS]
        return await _collect_ids(listings.find(query, {"_id": True}, hint=COMPANY_INDEX))

    async def update_overdue(self, decide: DecideListing, batch_size: int) -> bool:
        """Update a batch of open or paused listings whose deadline has passed, on each shard that answers.

        Returns whether there may be more: shards are asked again then, as listings may move. By `due`.
        """

        async def update_on(shard: Shard) -> bool:
            query: Document = {
                "state": {"$in": [ListingState.OPEN.value, ListingState.PAUSED.value]},
                "posting.apply_deadline": {"$lte": self._clock.now()},
            }
            overdue = shard.db[LISTINGS].find(query, {"_id": True}, hint=DUE_INDEX).limit(batch_size)
            return await self._update_batch(await _collect_ids(overdue), decide, batch_size)

        return any((await self._shards.scatter(update_on, SWEEP_TIMEOUT_S)).results)

    async def update_unchanged_since(
        self, state: ListingState, since: datetime, decide: DecideListing, batch_size: int
    ) -> bool:
        """Update a batch of listings that came into a state before `since`, on each shard that answers.

        Returns whether there may be more. By `by_state`.
        """

        async def update_on(shard: Shard) -> bool:
            query: Document = {"state": state.value, "update_time": {"$lte": since}}
            unchanged = shard.db[LISTINGS].find(query, {"_id": True}, hint=STATE_INDEX).limit(batch_size)
            return await self._update_batch(await _collect_ids(unchanged), decide, batch_size)

        return any((await self._shards.scatter(update_on, SWEEP_TIMEOUT_S)).results)

    async def _update_batch(self, listing_ids: Sequence[str], decide: DecideListing, batch_size: int) -> bool:
        for listing_id in listing_ids:
            await self.update_listing(listing_id, decide)
        return len(listing_ids) == batch_size

    async def list_in_state(
        self, state: ListingState, limit: int
    ) -> tuple[list[tuple[Listing, CompanyStanding]], Sequence[str]]:
        """Return listings in a state with their companies' standings, the longest unchanged first.

        Also returns the shards that did not answer; raises UNAVAILABLE when none did. By `by_state`.
        """

        async def list_on(shard: Shard) -> list[tuple[Listing, CompanyStanding]]:
            cursor = shard.db[LISTINGS].find({"state": state.value}, hint=STATE_INDEX)
            oldest_first = cursor.sort("update_time", ASCENDING).limit(limit)
            listings = [from_document(Listing, document) async for document in oldest_first]
            return [(each, await find_company_standing(shard.db, each.company.id)) for each in listings]

        scatter = await self._shards.scatter(list_on, LIST_TIMEOUT_S)
        if not scatter.results:
            raise unavailable("The list of listings")
        rows = [row for part in scatter.results for row in part]
        return sorted(rows, key=lambda row: row[0].update_time)[:limit], scatter.missing_shards

    async def _check_insert(self, tx: Transaction, aggregate: Listing) -> None:
        if await _is_deleted(tx.db, aggregate.id):
            raise listing_not_found(aggregate.id)

    async def _after_commit(self, id_: str) -> None:
        if self._cache is not None:
            await self._cache.invalidate(listing_cache_key(id_))

    async def _get_in(self, transaction: Transaction, listing_id: str) -> Listing:
        listing = await self._find_in(transaction.db, listing_id)
        if listing is None:
            raise listing_not_found(listing_id)
        return listing

    async def _replace_and_emit(
        self, transaction: Transaction, old: Listing, new: Listing, operation: IdempotentOperation | None
    ) -> Listing:
        """Store a changed listing with its events. Raises ChangedSinceReadError."""
        if new is old:
            return new
        stored = _with_operation(new, operation)
        change = AggregateChange(stored, tuple(events_of_change(old, stored)))
        await self._apply_or_abort(transaction, old.id, old, change)
        return stored

    def _encode(self, event: ListingEvent) -> Message:
        return event_message(event, self._clock.now())


def _with_operation(listing: Listing, operation: IdempotentOperation | None) -> Listing:
    if operation is None:
        return listing
    return replace(listing, operations=(*listing.operations, operation.id)[-MAX_REMEMBERED_OPERATIONS:])


def _listing_filter(listing_id: str) -> Document:
    return {"_id": listing_id, "slot": slot_of(listing_id)}


async def _delete(db: Database, listing: Listing, event: ListingWasDeleted) -> bool:
    """Delete the listing and record its deletion; return False when it has changed since it was read."""
    result = await db[LISTINGS].delete_one(
        _listing_filter(listing.id) | {"version": listing.version}, hint=ID_INDEX
    )
    if result.deleted_count:
        trace = {"company_id": event.company_id, "version": event.version}
        await db[DELETED_LISTINGS].insert_one(_listing_filter(listing.id) | trace)
    return result.deleted_count == 1


async def _is_deleted(db: Database, listing_id: str) -> bool:
    deleted = await db[DELETED_LISTINGS].find_one(_listing_filter(listing_id), {"_id": True}, hint=ID_INDEX)
    return deleted is not None


async def _find_claim(db: Database, listing_id: str, application_id: str) -> OpeningClaim | None:
    claim_filter = {"_id": application_id, "slot": slot_of(listing_id)}
    document = await db[OPENING_CLAIMS].find_one(claim_filter, hint=ID_INDEX)
    return None if document is None else from_document(OpeningClaim, document)


async def _put_claim(db: Database, claim: OpeningClaim) -> None:
    slot = slot_of(claim.internship_id)
    await db[OPENING_CLAIMS].replace_one(
        {"_id": claim.id, "slot": slot}, to_document(claim, slot=slot), upsert=True, hint=ID_INDEX
    )


async def _collect_ids(cursor: Any) -> list[str]:
    return [document["_id"] async for document in cursor]

"""Listings and the claims on their openings, each in the slot of its company."""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.asynchronous.database import AsyncDatabase

from chassis.ids import slot_of
from chassis.mongo.documents import Document, from_document, to_document
from chassis.mongo.provision import CollectionSpec
from chassis.sharding.collections import ShardDatabase
from chassis.sharding.reconciler import iterate_pages
from services.internship.domain.model import Listing, ListingCompany, ListingState
from services.internship.domain.openings import OpeningClaim

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
    # That a draft was deleted, so that nothing late makes it again.
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


def _listing_filter(listing_id: str) -> Document:
    return {"_id": listing_id, "slot": slot_of(listing_id)}


async def insert_listing(db: Database, listing: Listing) -> None:
    """Stores a new listing. Raises DuplicateKeyError when there is one with its ID."""
    await db[LISTINGS].insert_one(to_document(listing, slot=slot_of(listing.id)))


async def find_listing(db: Database, listing_id: str) -> Listing | None:
    """The listing with this ID, by `_id_`."""
    document = await db[LISTINGS].find_one(_listing_filter(listing_id), hint=ID_INDEX)
    return None if document is None else from_document(Listing, document)


async def delete_listing(db: Database, listing: Listing) -> bool:
    """Takes a listing away, by `_id_`, and remembers it; False when it has changed since it was read."""
    result = await db[LISTINGS].delete_one(
        _listing_filter(listing.id) | {"version": listing.version}, hint=ID_INDEX
    )
    if result.deleted_count:
        gone = _listing_filter(listing.id) | {
            "company_id": listing.company.id,
            "version": listing.version + 1,
        }
        await db[DELETED_LISTINGS].insert_one(gone)
    return result.deleted_count == 1


async def is_deleted_listing(db: Database, listing_id: str) -> bool:
    """Whether there was such a draft once, by `_id_`."""
    return (
        await db[DELETED_LISTINGS].find_one(_listing_filter(listing_id), {"_id": True}, hint=ID_INDEX)
        is not None
    )


async def find_intakes(db: Database, listing_ids: Sequence[str]) -> list[Listing]:
    """Those of these listings of one shard that there are, without long texts and history, by `_id_`."""
    query = {"_id": {"$in": listing_ids}, "slot": {"$in": sorted({slot_of(id_) for id_ in listing_ids})}}
    cursor = db[LISTINGS].find(query, _INTAKE_PROJECTION, hint=ID_INDEX)
    return [from_document(Listing, document) for document in await cursor.to_list()]


async def iterate_listing_pages(db: ShardDatabase) -> AsyncIterator[list[Listing]]:
    """All listings of this shard, page by page; by `_id_`."""
    async for page in iterate_pages(db[LISTINGS]):
        yield [from_document(Listing, document) for document in page]


async def replace_listing(db: Database, old: Listing, new: Listing) -> bool:
    """Puts `new` in place of `old`, by `_id_`; False when the listing has changed since `old` was read."""
    result = await db[LISTINGS].replace_one(
        _listing_filter(old.id) | {"version": old.version},
        to_document(new, slot=slot_of(new.id)),
        hint=ID_INDEX,
    )
    return result.matched_count == 1


async def list_company_listings(
    db: Database, company_id: str, *, states: Sequence[ListingState], before: str | None, limit: int
) -> list[Listing]:
    """A company's listings, newest first, older than the listing `before`; by `company`."""
    query: Document = {"company.id": company_id, "slot": slot_of(company_id)}
    if states:
        query["state"] = {"$in": [state.value for state in states]}
    if before is not None:
        query["_id"] = {"$lt": before}
    cursor = db[LISTINGS].find(query, hint=COMPANY_INDEX).sort("_id", DESCENDING).limit(limit)
    return [from_document(Listing, document) async for document in cursor]


async def list_ids_naming_otherwise(db: Database, company: ListingCompany, limit: int) -> list[str]:
    """IDs of the company's listings that name it otherwise than now; by `company`."""
    query: Document = {
        "company.id": company.id,
        "slot": slot_of(company.id),
        "$or": [{"company.name": {"$ne": company.name}}, {"company.url": {"$ne": company.url}}],
    }
    return await _collect_ids(db[LISTINGS].find(query, {"_id": True}, hint=COMPANY_INDEX).limit(limit))


async def list_overdue_ids(db: Database, now: datetime, limit: int) -> list[str]:
    """IDs of this shard's open or paused listings whose deadline has passed; by `due`."""
    query: Document = {
        "state": {"$in": [ListingState.OPEN.value, ListingState.PAUSED.value]},
        "posting.apply_deadline": {"$lte": now},
    }
    return await _collect_ids(db[LISTINGS].find(query, {"_id": True}, hint=DUE_INDEX).limit(limit))


async def list_in_state(db: Database, state: ListingState, limit: int) -> list[Listing]:
    """Listings of this shard in one state, the longest unchanged first; by `by_state`."""
    cursor = db[LISTINGS].find({"state": state.value}, hint=STATE_INDEX).sort("update_time", ASCENDING)
    return [from_document(Listing, document) async for document in cursor.limit(limit)]


async def list_ids_unchanged_since(
    db: Database, state: ListingState, since: datetime, limit: int
) -> list[str]:
    """IDs of this shard's listings that came into a state before `since`; by `by_state`."""
    query: Document = {"state": state.value, "update_time": {"$lte": since}}
    return await _collect_ids(db[LISTINGS].find(query, {"_id": True}, hint=STATE_INDEX).limit(limit))


async def list_company_ids_in_state(db: Database, company_id: str, state: ListingState) -> list[str]:
    """IDs of a company's listings in one state; by `company`."""
    query: Document = {"company.id": company_id, "slot": slot_of(company_id), "state": state.value}
    return await _collect_ids(db[LISTINGS].find(query, {"_id": True}, hint=COMPANY_INDEX))


async def _collect_ids(cursor: Any) -> list[str]:
    return [document["_id"] async for document in cursor]


async def find_company_ids(db: Database, listing_ids: Iterable[str]) -> dict[str, str]:
    """Which company each of these listings of one shard belongs to; by `_id_`."""
    ids = list(listing_ids)
    query = {"_id": {"$in": ids}, "slot": {"$in": sorted({slot_of(id_) for id_ in ids})}}
    cursor = db[LISTINGS].find(query, {"company.id": True}, hint=ID_INDEX)
    return {document["_id"]: document["company"]["id"] async for document in cursor}


async def find_opening_claim(db: Database, listing_id: str, application_id: str) -> OpeningClaim | None:
    """What the listing knows of an application, by `_id_`."""
    place = {"_id": application_id, "slot": slot_of(listing_id)}
    document = await db[OPENING_CLAIMS].find_one(place, hint=ID_INDEX)
    return None if document is None else from_document(OpeningClaim, document)


async def put_opening_claim(db: Database, claim: OpeningClaim) -> None:
    """Stores what the listing knows of an application, by `_id_`."""
    slot = slot_of(claim.internship_id)
    place = {"_id": claim.id, "slot": slot}
    await db[OPENING_CLAIMS].replace_one(place, to_document(claim, slot=slot), upsert=True, hint=ID_INDEX)

"""Listings and the claims on their openings, each in the slot of its company."""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.asynchronous.database import AsyncDatabase

from chassis.ids import slot_of
from chassis.mongo.collections import ShardDatabase
from chassis.mongo.documents import Document, from_document, to_document
from chassis.mongo.mending import pages
from chassis.mongo.provision import CollectionSpec
from services.internship.domain.model import Company, Listing, State
from services.internship.domain.openings import Claim

LISTINGS: Final = "listings"
CLAIMS: Final = "claims"

BY_ID: Final = "_id_"
COMPANY: Final = "company"
DUE: Final = "due"
BY_STATE: Final = "by_state"
DELETED: Final = "deleted_listings"

COLLECTIONS: Final = (
    CollectionSpec(
        LISTINGS,
        indexes=(
            IndexModel([("company.id", ASCENDING), ("_id", DESCENDING)], name=COMPANY),
            IndexModel([("state", ASCENDING), ("posting.apply_deadline", ASCENDING)], name=DUE),
            IndexModel([("state", ASCENDING), ("update_time", ASCENDING)], name=BY_STATE),
        ),
        shard_key="slot",
    ),
    CollectionSpec(CLAIMS, shard_key="slot"),
    # That a draft was deleted, so that nothing late makes it again.
    CollectionSpec(DELETED, shard_key="slot"),
)

_WITHOUT_TEXTS: Final = {
    "posting.description": False,
    "posting.responsibilities": False,
    "posting.qualifications": False,
    "history": False,
    "operations": False,
}

Database = AsyncDatabase[Document]


def _place(listing_id: str) -> Document:
    return {"_id": listing_id, "slot": slot_of(listing_id)}


async def insert(db: Database, listing: Listing) -> None:
    """Stores a new listing. Raises DuplicateKeyError when there is one with its ID."""
    await db[LISTINGS].insert_one(to_document(listing, slot=slot_of(listing.id)))


async def find(db: Database, listing_id: str) -> Listing | None:
    """The listing with this ID, by `_id_`."""
    document = await db[LISTINGS].find_one(_place(listing_id), hint=BY_ID)
    return None if document is None else from_document(Listing, document)


async def delete(db: Database, listing: Listing) -> bool:
    """Takes a listing away, by `_id_`, and remembers it; False when it has changed since it was read."""
    result = await db[LISTINGS].delete_one(_place(listing.id) | {"version": listing.version}, hint=BY_ID)
    if result.deleted_count:
        gone = _place(listing.id) | {"company_id": listing.company.id, "version": listing.version + 1}
        await db[DELETED].insert_one(gone)
    return result.deleted_count == 1


async def was_deleted(db: Database, listing_id: str) -> bool:
    """Whether there was such a draft once, by `_id_`."""
    return await db[DELETED].find_one(_place(listing_id), {"_id": True}, hint=BY_ID) is not None


async def find_without_texts(db: Database, listing_ids: Sequence[str]) -> list[Listing]:
    """Those of these listings of one shard that there are, without long texts and history, by `_id_`."""
    query = {"_id": {"$in": listing_ids}, "slot": {"$in": sorted({slot_of(id_) for id_ in listing_ids})}}
    cursor = db[LISTINGS].find(query, _WITHOUT_TEXTS, hint=BY_ID)
    return [from_document(Listing, document) for document in await cursor.to_list()]


async def all_pages(db: ShardDatabase) -> AsyncIterator[list[Listing]]:
    """All listings of this shard, page by page; by `_id_`."""
    async for page in pages(db[LISTINGS]):
        yield [from_document(Listing, document) for document in page]


async def replace(db: Database, old: Listing, new: Listing) -> bool:
    """Puts `new` in place of `old`, by `_id_`; False when the listing has changed since `old` was read."""
    result = await db[LISTINGS].replace_one(
        _place(old.id) | {"version": old.version}, to_document(new, slot=slot_of(new.id)), hint=BY_ID
    )
    return result.matched_count == 1


async def page_of_company(
    db: Database, company_id: str, *, states: Sequence[State], before: str | None, limit: int
) -> list[Listing]:
    """A company's listings, newest first, older than the listing `before`; by `company`."""
    query: Document = {"company.id": company_id, "slot": slot_of(company_id)}
    if states:
        query["state"] = {"$in": [state.value for state in states]}
    if before is not None:
        query["_id"] = {"$lt": before}
    cursor = db[LISTINGS].find(query, hint=COMPANY).sort("_id", DESCENDING).limit(limit)
    return [from_document(Listing, document) async for document in cursor]


async def named_otherwise(db: Database, company: Company, limit: int) -> list[str]:
    """IDs of the company's listings that name it otherwise than now; by `company`."""
    query: Document = {
        "company.id": company.id,
        "slot": slot_of(company.id),
        "$or": [{"company.name": {"$ne": company.name}}, {"company.url": {"$ne": company.url}}],
    }
    return await _ids(db[LISTINGS].find(query, {"_id": True}, hint=COMPANY).limit(limit))


async def overdue(db: Database, now: datetime, limit: int) -> list[str]:
    """IDs of this shard's open or paused listings whose deadline has passed; by `due`."""
    query: Document = {
        "state": {"$in": [State.OPEN.value, State.PAUSED.value]},
        "posting.apply_deadline": {"$lte": now},
    }
    return await _ids(db[LISTINGS].find(query, {"_id": True}, hint=DUE).limit(limit))


async def in_state(db: Database, state: State, limit: int) -> list[Listing]:
    """Listings of this shard in one state, the longest unchanged first; by `by_state`."""
    cursor = db[LISTINGS].find({"state": state.value}, hint=BY_STATE).sort("update_time", ASCENDING)
    return [from_document(Listing, document) async for document in cursor.limit(limit)]


async def unchanged_since(db: Database, state: State, since: datetime, limit: int) -> list[str]:
    """IDs of this shard's listings that came into a state before `since`; by `by_state`."""
    query: Document = {"state": state.value, "update_time": {"$lte": since}}
    return await _ids(db[LISTINGS].find(query, {"_id": True}, hint=BY_STATE).limit(limit))


async def of_company_in_state(db: Database, company_id: str, state: State) -> list[str]:
    """IDs of a company's listings in one state; by `company`."""
    query: Document = {"company.id": company_id, "slot": slot_of(company_id), "state": state.value}
    return await _ids(db[LISTINGS].find(query, {"_id": True}, hint=COMPANY))


async def _ids(cursor: Any) -> list[str]:
    return [document["_id"] async for document in cursor]


async def companies_of(db: Database, listing_ids: Iterable[str]) -> dict[str, str]:
    """Which company each of these listings of one shard belongs to; by `_id_`."""
    ids = list(listing_ids)
    query = {"_id": {"$in": ids}, "slot": {"$in": sorted({slot_of(id_) for id_ in ids})}}
    cursor = db[LISTINGS].find(query, {"company.id": True}, hint=BY_ID)
    return {document["_id"]: document["company"]["id"] async for document in cursor}


async def find_claim(db: Database, listing_id: str, application_id: str) -> Claim | None:
    """What the listing knows of an application, by `_id_`."""
    place = {"_id": application_id, "slot": slot_of(listing_id)}
    document = await db[CLAIMS].find_one(place, hint=BY_ID)
    return None if document is None else from_document(Claim, document)


async def put_claim(db: Database, claim: Claim) -> None:
    """Stores what the listing knows of an application, by `_id_`."""
    slot = slot_of(claim.internship_id)
    place = {"_id": claim.id, "slot": slot}
    await db[CLAIMS].replace_one(place, to_document(claim, slot=slot), upsert=True, hint=BY_ID)

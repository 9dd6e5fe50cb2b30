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

COLLECTIONS: Final = (
    CollectionSpec(
        LISTINGS,
        indexes=(
            IndexModel([("company.id", ASCENDING), ("_id", DESCENDING)], name=COMPANY),
            IndexModel([("state", ASCENDING), ("posting.apply_deadline", ASCENDING)], name=DUE),
        ),
        shard_key="slot",
    ),
    CollectionSpec(CLAIMS, shard_key="slot"),
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

"""The search index: a collection derived from the listings' events, rebuilt from them at will.

A listing that is no longer open leaves a gravestone with its version for a week, so that a late event cannot
bring it back.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pymongo import ASCENDING, DESCENDING, GEOSPHERE, IndexModel
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from chassis.ids import slot_of
from chassis.mongo.documents import Document, to_document
from chassis.mongo.provision import CollectionSpec
from services.internship.search.index_entry import INDEX_ENTRY_FORMAT, IndexEntry
from services.internship.search.phrases import Phrase, PhraseKind

SEARCH_COLLECTION: Final = "search_listings"

TERMS_INDEX, NEWEST_INDEX, DEADLINE_INDEX, PAY_INDEX = "terms", "newest", "deadline", "pay_in_currency"
SKILL_INDEX, FIELD_INDEX, CITY_INDEX, COMPANY_INDEX, POINTS_INDEX, CHANGED_INDEX = (
    "skill",
    "field",
    "city",
    "company",
    "spots",
    "changed",
)
FORMAT_INDEX: Final = "formats"
TOMBSTONE_LIFE: Final = timedelta(days=7)
MAX_TERMS: Final = 300_000
MAX_PHRASES: Final = 20_000
"""Of one kind and shard."""
_NEWEST_FIRST: Final = (("publish_time", DESCENDING), ("_id", DESCENDING))

COLLECTIONS: Final = (
    CollectionSpec(
        SEARCH_COLLECTION,
        indexes=(
            IndexModel([("terms", ASCENDING), ("publish_time", DESCENDING)], name=TERMS_INDEX),
            IndexModel([*_NEWEST_FIRST], name=NEWEST_INDEX),
            IndexModel([("apply_deadline", ASCENDING), ("_id", ASCENDING)], name=DEADLINE_INDEX),
            IndexModel(
                [("currency", ASCENDING), ("hourly_pay_minor", DESCENDING), ("_id", DESCENDING)],
                name=PAY_INDEX,
            ),
            IndexModel([("skills.key", ASCENDING), *_NEWEST_FIRST], name=SKILL_INDEX),
            IndexModel([("field.key", ASCENDING), *_NEWEST_FIRST], name=FIELD_INDEX),
            IndexModel([("cities.key", ASCENDING), *_NEWEST_FIRST], name=CITY_INDEX),
            IndexModel([("company.key", ASCENDING), *_NEWEST_FIRST], name=COMPANY_INDEX),
            IndexModel([("spots.at", GEOSPHERE)], name=POINTS_INDEX),
            IndexModel([("index_time", ASCENDING)], name=CHANGED_INDEX),
            IndexModel([("format", ASCENDING)], name=FORMAT_INDEX),
            IndexModel(
                [("gone_time", ASCENDING)],
                name="gone",
                expireAfterSeconds=int(TOMBSTONE_LIFE.total_seconds()),
            ),
        ),
        shard_key="slot",
    ),
)

Database = AsyncDatabase[Document]


def entry_document(entry: IndexEntry, now: datetime) -> Document:
    """An open listing in the index."""
    return to_document(entry, slot=slot_of(entry.id)) | {"index_time": now}


def tombstone(listing_id: str, version: int, now: datetime, *, gone_time: datetime) -> Document:
    """A listing that is not open in the index."""
    place = {"_id": listing_id, "slot": slot_of(listing_id)}
    return place | {
        "version": version,
        "format": INDEX_ENTRY_FORMAT,
        "index_time": now,
        "gone_time": gone_time,
    }


def is_expired_tombstone(document: Document, now: datetime) -> bool:
    """Whether it is a gravestone that has had its time."""
    return "terms" not in document and bool(document["gone_time"] + TOMBSTONE_LIFE <= now)


async def put_entry(db: Database, entry: IndexEntry, now: datetime) -> bool:
    """Stores the entry unless the index knows a version as new or newer; whether it did."""
    return await _put_if_newer(db, entry_document(entry, now))


async def mark_deleted(db: Database, listing_id: str, version: int, now: datetime) -> bool:
    """Takes a listing out unless the index knows a version as new or newer; whether it did."""
    return await _put_if_newer(db, tombstone(listing_id, version, now, gone_time=now))


async def _put_if_newer(db: Database, document: Document) -> bool:
    older = {"_id": document["_id"], "slot": document["slot"], "version": {"$lt": document["version"]}}
    try:
        await db[SEARCH_COLLECTION].replace_one(older, document, upsert=True, hint="_id_")
    except DuplicateKeyError:
        return False
    return True


async def count_terms(db: Database) -> tuple[dict[str, int], int]:
    """How many entries of this shard hold each term, the most frequent ones, and how many entries there are.

    Reads the whole index once (no index helps): for a start, not for a call.
    """
    cursor = await db[SEARCH_COLLECTION].aggregate(
        [
            {"$match": {"terms": {"$exists": True}}},
            {"$project": {"terms": True}},
            {"$unwind": "$terms"},
            {"$group": {"_id": "$terms", "count": {"$sum": 1}}},
            {"$sort": {"count": -1}},
            {"$limit": MAX_TERMS},
        ],
        allowDiskUse=True,
    )
    counts = {row["_id"]: row["count"] async for row in cursor}
    listings = await db[SEARCH_COLLECTION].aggregate(
        [{"$match": {"terms": {"$exists": True}}}, {"$count": "listings"}]
    )
    return counts, next((int(row["listings"]) for row in await listings.to_list()), 0)


_PHRASE_FIELDS: Final[Mapping[PhraseKind, str]] = {
    PhraseKind.TITLE: "title",
    PhraseKind.SKILL: "skills",
    PhraseKind.COMPANY: "company",
    PhraseKind.PLACE: "cities",
}


async def count_phrases(db: Database) -> list[tuple[Phrase, int]]:
    """What entries of this shard can be found by as a whole, the most frequent ones, and how many have each.

    Reads the whole index once for each kind: for a start, not for a call.
    """
    return [counted for kind in PhraseKind for counted in await _count_phrases_of_kind(db, kind)]


async def _count_phrases_of_kind(db: Database, kind: PhraseKind) -> list[tuple[Phrase, int]]:
    field = _PHRASE_FIELDS[kind]
    cursor = await db[SEARCH_COLLECTION].aggregate(
        [
            {"$match": {"terms": {"$exists": True}, field: {"$exists": True}}},
            {"$project": {field: True}},
            {"$unwind": f"${field}"},
            {"$group": {"_id": f"${field}.key", "name": {"$first": f"${field}.name"}, "count": {"$sum": 1}}},
            {"$sort": {"count": -1, "_id": 1}},
            {"$limit": MAX_PHRASES},
        ],
        allowDiskUse=True,
    )
    return [(Phrase(kind, row["_id"], row["name"]), row["count"]) async for row in cursor if row["_id"]]


@dataclass(frozen=True, slots=True)
class IndexChange:
    """An entry that was indexed: its terms and phrases (none for a gravestone), and when."""

    listing_id: str
    version: int
    terms: tuple[str, ...]
    phrases: tuple[Phrase, ...]
    index_time: datetime


async def list_changes_since(db: Database, since: datetime, limit: int) -> list[IndexChange]:
    """Entries of this shard indexed at or after `since`, oldest first; by `changed`."""
    query = {"index_time": {"$gte": since}}
    projection = dict.fromkeys(("terms", "version", "index_time", *_PHRASE_FIELDS.values()), True)
    rows: AsyncIterator[dict[str, Any]] = (
        db[SEARCH_COLLECTION]
        .find(query, projection, hint=CHANGED_INDEX)
        .sort("index_time", ASCENDING)
        .limit(limit)
    )
    return [
        IndexChange(
            row["_id"], row["version"], tuple(row.get("terms", ())), _phrases_in(row), row["index_time"]
        )
        async for row in rows
    ]


def _phrases_in(row: Document) -> tuple[Phrase, ...]:
    named = {kind: row.get(field, []) for kind, field in _PHRASE_FIELDS.items()}
    return tuple(
        Phrase(kind, each["key"], each["name"])
        for kind, found in named.items()
        for each in (found if isinstance(found, list) else [found])
        if each["key"]
    )


async def list_outdated_ids(db: Database, limit: int) -> list[str]:
    """IDs of entries of this shard that are stored in an older format; by `formats`."""
    rows = (
        db[SEARCH_COLLECTION]
        .find({"format": {"$ne": INDEX_ENTRY_FORMAT}}, {"_id": True}, hint=FORMAT_INDEX)
        .limit(limit)
    )
    return [row["_id"] async for row in rows]

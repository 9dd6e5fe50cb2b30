"""The collection of the search index: its indexes and its documents.

A listing that is no longer open leaves a tombstone with its version for a week, so that a late event cannot
restore it.
"""

from datetime import datetime, timedelta
from typing import Final

from pymongo import ASCENDING, DESCENDING, GEOSPHERE, IndexModel

from chassis.ids import slot_of
from chassis.mongo.documents import Document, to_document
from chassis.mongo.provision import CollectionSpec
from services.internship.search.index_entry import INDEX_ENTRY_FORMAT, IndexEntry
from services.internship.search.port import Tombstone

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


def entry_document(entry: IndexEntry, now: datetime) -> Document:
    """Return the document of an open listing."""
    return to_document(entry, slot=slot_of(entry.id)) | {"index_time": now}


def tombstone_document(tombstone: Tombstone, now: datetime) -> Document:
    """Return the document of a listing that is not open."""
    return {
        "_id": tombstone.id,
        "slot": slot_of(tombstone.id),
        "version": tombstone.version,
        "format": INDEX_ENTRY_FORMAT,
        "index_time": now,
        "gone_time": tombstone.gone_time,
    }


def is_expired_tombstone(document: Document, now: datetime) -> bool:
    """Return whether the document is a tombstone past its lifetime."""
    return "terms" not in document and bool(document["gone_time"] + TOMBSTONE_LIFE <= now)

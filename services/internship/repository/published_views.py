"""How many readers of a listing were told, by day, each in the slot of its listing."""

from collections.abc import Mapping
from typing import Final

from pymongo.asynchronous.database import AsyncDatabase

from chassis.ids import slot_of
from chassis.mongo.documents import Document
from chassis.mongo.provision import CollectionSpec

PUBLISHED_VIEWS: Final = "told_views"
MAX_KEPT_DAYS: Final = 3
COLLECTIONS: Final = (CollectionSpec(PUBLISHED_VIEWS, shard_key="slot"),)

Database = AsyncDatabase[Document]


def _views_filter(listing_id: str) -> Document:
    return {"_id": listing_id, "slot": slot_of(listing_id)}


async def find_published_views(db: Database, listing_id: str) -> Mapping[str, int]:
    """Readers told, by day, of the last days; by `_id_`."""
    document = await db[PUBLISHED_VIEWS].find_one(_views_filter(listing_id), hint="_id_")
    return {} if document is None else document["days"]


async def put_published_views(db: Database, listing_id: str, days: Mapping[str, int]) -> None:
    """Remembers what was told, of the latest days; by `_id_`."""
    latest = dict(sorted(days.items())[-MAX_KEPT_DAYS:])
    document = _views_filter(listing_id) | {"days": latest}
    await db[PUBLISHED_VIEWS].replace_one(_views_filter(listing_id), document, upsert=True, hint="_id_")

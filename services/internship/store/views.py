"""How many readers of a listing were told, by day, each in the slot of its listing."""

from collections.abc import Mapping
from typing import Final

from pymongo.asynchronous.database import AsyncDatabase

from chassis.ids import slot_of
from chassis.mongo.documents import Document
from chassis.mongo.provision import CollectionSpec

VIEWS: Final = "told_views"
KEPT_DAYS: Final = 3
COLLECTIONS: Final = (CollectionSpec(VIEWS, shard_key="slot"),)

Database = AsyncDatabase[Document]


def _place(listing_id: str) -> Document:
    return {"_id": listing_id, "slot": slot_of(listing_id)}


async def told(db: Database, listing_id: str) -> Mapping[str, int]:
    """Readers told, by day, of the last days; by `_id_`."""
    document = await db[VIEWS].find_one(_place(listing_id), hint="_id_")
    return {} if document is None else document["days"]


async def put(db: Database, listing_id: str, days: Mapping[str, int]) -> None:
    """Remembers what was told, of the latest days; by `_id_`."""
    latest = dict(sorted(days.items())[-KEPT_DAYS:])
    document = _place(listing_id) | {"days": latest}
    await db[VIEWS].replace_one(_place(listing_id), document, upsert=True, hint="_id_")

"""Published numbers of a listing's readers, by day, each in the slot of its listing."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from google.protobuf.message import Message
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from chassis.clock import Clock
from chassis.errors import unavailable
from chassis.ids import slot_of
from chassis.mongo.documents import Document
from chassis.mongo.provision import CollectionSpec
from chassis.redis.unique_readers import SubjectDay
from chassis.sharding.shard import Shard
from chassis.sharding.shards import Shards
from chassis.sharding.slot_repository import SlotRepository
from chassis.sharding.transactions import Transaction
from services.internship.domain.events import ListingEvent, ListingWasViewed
from services.internship.mapping.events import event_message
from services.internship.repository.listings import ID_INDEX, LISTINGS

PUBLISHED_VIEWS: Final = "told_views"
MAX_KEPT_DAYS: Final = 3
COLLECTIONS: Final = (CollectionSpec(PUBLISHED_VIEWS, shard_key="slot"),)

Database = AsyncDatabase[Document]
DailyCounts = Mapping[SubjectDay, int]


class PublishedViewRepository(SlotRepository):
    """Publishes the growth of listings' numbers of readers.

    The event and the new published number commit together, so a worker that is killed publishes nothing
    twice.
    """

    def __init__(self, shards: Shards, clock: Clock) -> None:
        super().__init__(
            shards, resource="published views", metrics_label=PUBLISHED_VIEWS, encode_event=self._encode
        )
        self._clock = clock

    def group_counts(self, counts: DailyCounts) -> Iterable[DailyCounts]:
        """Split the counts into groups that `publish` takes, each in one transaction."""
        groups: dict[Shard, dict[SubjectDay, int]] = defaultdict(dict)
        for reading, count in counts.items():
            groups[self._shards.shard_for(reading.subject)][reading] = count
        return groups.values()

    async def publish(self, counts: DailyCounts) -> None:
        """Emit the growth of one group's counts. Raises UNAVAILABLE."""
        first = next(iter(counts)).subject
        try:
            companies = await _find_company_ids(
                self._shards.shard_for(first), {each.subject for each in counts}
            )

            async def publish_in(transaction: Transaction) -> None:
                for reading, count in counts.items():
                    if company_id := companies.get(reading.subject):
                        await self._publish_count(transaction, reading, count, company_id)

            await self._run_in_transaction(first, publish_in)
        except PyMongoError as error:
            raise unavailable("the published views") from error

    async def _publish_count(
        self, transaction: Transaction, reading: SubjectDay, count: int, company_id: str
    ) -> None:
        published = await _find_published_views(transaction.db, reading.subject)
        new = count - published.get(reading.day, 0)
        if new <= 0:
            return
        await _put_published_views(transaction.db, reading.subject, {**published, reading.day: count})
        self._emit(transaction, reading.subject, [ListingWasViewed(reading.subject, company_id, new)])

    def _encode(self, event: ListingEvent) -> Message:
        return event_message(event, self._clock.now())


def _views_filter(listing_id: str) -> Document:
    return {"_id": listing_id, "slot": slot_of(listing_id)}


async def _find_published_views(db: Database, listing_id: str) -> Mapping[str, int]:
    """Return the published numbers of readers of the last days, by day; by `_id_`."""
    document = await db[PUBLISHED_VIEWS].find_one(_views_filter(listing_id), hint="_id_")
    return {} if document is None else document["days"]


async def _put_published_views(db: Database, listing_id: str, days: Mapping[str, int]) -> None:
    """Store the published numbers of readers of the latest days; by `_id_`."""
    latest = dict(sorted(days.items())[-MAX_KEPT_DAYS:])
    document = _views_filter(listing_id) | {"days": latest}
    await db[PUBLISHED_VIEWS].replace_one(_views_filter(listing_id), document, upsert=True, hint="_id_")


async def _find_company_ids(shard: Shard, listing_ids: Iterable[str]) -> dict[str, str]:
    """Return the company of each of these listings of one shard; by `_id_`."""
    ids = list(listing_ids)
    query = {"_id": {"$in": ids}, "slot": {"$in": sorted({slot_of(id_) for id_ in ids})}}
    cursor = shard.db[LISTINGS].find(query, {"company.id": True}, hint=ID_INDEX)
    return {document["_id"]: document["company"]["id"] async for document in cursor}

"""Readers of listings: noted where somebody reads, told once a day and reader by a worker.

Reads that the edge answers, from its cache or past it, the edge notes (`gateway/ratelimit/view_log.py`);
here those are that it cannot know: of people who are signed in, and over gRPC.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog
from pymongo.errors import PyMongoError

from chassis.call_context import current_call, current_principal_or_none
from chassis.errors import DomainError
from chassis.redis.client import REDIS_ERRORS
from chassis.redis.unique_readers import SubjectDay, UniqueReaderCounter, anonymous_reader_key
from chassis.sharding.shard import Shard
from chassis.sharding.shards import Shards
from chassis.sharding.transactions import Transaction
from internshipconnect.events.v1.events_pb2 import InternshipViewed
from services.internship.repository import listings as store
from services.internship.repository import published_views

MAX_WAITING_READINGS: Final = 50_000
"""Readings that may wait to be noted; more than a process can answer in many seconds."""
BATCH_SIZE: Final = 200
EDGE_PATH_HEADER: Final = "x-envoy-original-path"
"""What Envoy says of a call that came as HTTP; a stranger's is noted by the edge."""

log = structlog.get_logger()


class ViewRecorder:
    """Notes who reads a listing. A process that is killed loses what it has noted in one interval."""

    def __init__(self, readers: UniqueReaderCounter, every_s: float) -> None:
        self._readers = readers
        self._every_s = every_s
        self._waiting: set[tuple[str, str]] = set()

    def count(self, listing_id: str) -> None:
        """The caller reads a listing."""
        reader = _reader_id()
        if reader and len(self._waiting) < MAX_WAITING_READINGS:
            self._waiting.add((listing_id, reader))

    async def keep_telling(self) -> None:
        """Notes what waits every interval, until it is cancelled."""
        while True:
            await asyncio.sleep(self._every_s * random.uniform(0.9, 1.1))  # noqa: S311
            await self.flush()

    async def flush(self) -> None:
        """Notes what waits now; while Redis does not answer it goes on waiting."""
        seen, self._waiting = self._waiting, set()
        if not seen:
            return
        try:
            await self._readers.record_reads(seen)
        except REDIS_ERRORS as error:
            log.warning("views_wait", readings=len(seen), error=str(error))
            self._waiting |= seen if len(self._waiting) + len(seen) <= MAX_WAITING_READINGS else set()


def _reader_id() -> str:
    """Who calls; "" for whom the edge has noted already."""
    principal, call = current_principal_or_none(), current_call()
    if principal is not None:
        return principal.id
    if call.metadata_text(EDGE_PATH_HEADER):
        return ""
    addresses = call.metadata_text("x-forwarded-for").rpartition(",")
    return anonymous_reader_key(addresses[2].strip(), call.metadata_text("user-agent"))


@dataclass(frozen=True)
class ViewPublisher:
    """Tells how many readers a listing has had, by the difference to what was told of the same day.

    What is told and what is remembered of it commit together, so a worker that is killed tells nothing twice;
    what it had taken is told with the listing's next reader.
    """

    shards: Shards
    readers: UniqueReaderCounter

    async def tell(self) -> None:
        """All that somebody new has read since the last time."""
        while readings := await self.readers.pop_changed(BATCH_SIZE):
            counts = await self._counts(readings)
            by_shard: dict[str, dict[SubjectDay, int]] = defaultdict(dict)
            for reading, count in counts.items():
                by_shard[self.shards.shard_for(reading.subject).name][reading] = count
            for shard in self.shards.all_shards():
                if of_shard := by_shard.get(shard.name):
                    await self._tell(shard, of_shard)

    async def _counts(self, readings: Sequence[SubjectDay]) -> Mapping[SubjectDay, int]:
        try:
            return await self.readers.counts(readings)
        except REDIS_ERRORS:
            with suppress(*REDIS_ERRORS):
                await self.readers.requeue_changed(readings)
            raise

    async def _tell(self, shard: Shard, counts: Mapping[SubjectDay, int]) -> None:
        try:
            companies = await store.find_company_ids(shard.db, {each.subject for each in counts})

            async def work(transaction: Transaction) -> None:
                for reading, count in counts.items():
                    if company_id := companies.get(reading.subject):
                        await _publish_count(transaction, reading, count, company_id)

            await shard.run_in_transaction(work)
        except (DomainError, PyMongoError) as error:
            log.warning("views_wait", shard=shard.name, listings=len(counts), error=str(error))
            await self.readers.requeue_changed(list(counts))
            raise


async def _publish_count(transaction: Transaction, reading: SubjectDay, count: int, company_id: str) -> None:
    told = await published_views.find_published_views(transaction.db, reading.subject)
    new = count - told.get(reading.day, 0)
    if new <= 0:
        return
    await published_views.put_published_views(transaction.db, reading.subject, {**told, reading.day: count})
    seen = InternshipViewed(internship_id=reading.subject, company_id=company_id, views=new)
    transaction.emit(seen, subject=reading.subject)

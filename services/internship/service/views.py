"""Views of listings: counted in the process, told every few seconds."""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Mapping

import structlog
from pymongo.errors import PyMongoError

from chassis.errors import DomainError
from chassis.mongo.shards import Shard, Shards
from chassis.mongo.transactions import Transaction
from internshipconnect.events.v1.events_pb2 import InternshipViewed
from services.internship.store import listings as store

MOST_LISTINGS = 50_000
"""Different listings whose views may wait; more than a process can answer in many seconds."""
BATCH = 500

log = structlog.get_logger()


class Views:
    """Counts views and passes the counts on as events.

    A process that is killed loses the views of at most one interval; views of listings beyond
    `MOST_LISTINGS` in one interval are not counted.
    """

    def __init__(self, shards: Shards, every_s: float) -> None:
        self._shards = shards
        self._every_s = every_s
        self._counts: Counter[str] = Counter()

    def count(self, listing_id: str) -> None:
        """One more view."""
        if listing_id in self._counts or len(self._counts) < MOST_LISTINGS:
            self._counts[listing_id] += 1

    async def keep_telling(self) -> None:
        """Tells the counts every interval, until it is cancelled."""
        while True:
            await asyncio.sleep(self._every_s * random.uniform(0.9, 1.1))  # noqa: S311
            await self.flush()

    async def flush(self) -> None:
        """Tells all counts now; those of a shard that does not answer wait for the next time."""
        counts, self._counts = self._counts, Counter()
        by_shard: dict[str, Counter[str]] = defaultdict(Counter)
        for listing_id, views in counts.items():
            by_shard[self._shards.of(listing_id).name][listing_id] = views
        await asyncio.gather(
            *(
                self._flush(shard, by_shard[shard.name])
                for shard in self._shards.all()
                if by_shard[shard.name]
            )
        )

    async def _flush(self, shard: Shard, counts: Counter[str]) -> None:
        rows = list(counts.items())
        for start in range(0, len(rows), BATCH):
            part = dict(rows[start : start + BATCH])
            try:
                await _tell(shard, part)
            except (DomainError, PyMongoError) as error:
                log.warning("views_wait", shard=shard.name, listings=len(part), error=str(error))
                self._put_back(part)

    def _put_back(self, counts: Mapping[str, int]) -> None:
        for listing_id, views in counts.items():
            if listing_id in self._counts or len(self._counts) < MOST_LISTINGS:
                self._counts[listing_id] += views


async def _tell(shard: Shard, counts: Mapping[str, int]) -> None:
    companies = await store.companies_of(shard.db, counts)

    async def work(transaction: Transaction) -> None:
        for listing_id, company_id in companies.items():
            seen = InternshipViewed(internship_id=listing_id, company_id=company_id, views=counts[listing_id])
            transaction.emit(seen, subject=listing_id)

    await shard.in_transaction(work)

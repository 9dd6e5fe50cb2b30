"""The words of the index, kept fresh in each process that answers questions."""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from pymongo.errors import PyMongoError

from chassis.clock import Clock
from chassis.errors import DomainError
from chassis.search.vocabulary import Vocabulary
from chassis.sharding.shard import Shard
from chassis.sharding.shards import Shards
from services.internship.repository import search_index
from services.internship.search.phrases import Phrase, PhraseIndex

POLL_INTERVAL_S = 0.5
READ_ALL_INTERVAL_S = 1800.0
READ_ALL_TIMEOUT_S = 60.0
POLL_TIMEOUT_S = 2.0
MAX_CHANGES_PER_POLL = 500
OVERLAP = timedelta(seconds=5)
"""Writers' clocks and commits may differ by so much; entries seen again are recognised."""

log = structlog.get_logger()


class Lexicon:
    """The vocabulary of all shards, what can be suggested from it, and a tag that changes with the index.

    All is read at the start and every half hour, with half a minute's jitter; in between, what changes is
    added twice a second.
    """

    def __init__(self, shards: Shards, clock: Clock) -> None:
        self.vocabulary = Vocabulary()
        self.phrases = PhraseIndex()
        self._shards = shards
        self._clock = clock
        self._latest: dict[str, datetime] = {}
        self._seen: dict[str, dict[str, tuple[int, datetime]]] = {}

    @property
    def tag(self) -> str:
        """The same in all processes that have seen the same changes of the index."""
        return ".".join(f"{name}:{latest.timestamp():.3f}" for name, latest in sorted(self._latest.items()))

    async def keep_fresh(self) -> None:
        """Follows the index until it is cancelled."""
        read_all_at = 0.0
        while True:
            try:
                if time.monotonic() >= read_all_at:
                    await self.read_all()
                    read_all_at = time.monotonic() + READ_ALL_INTERVAL_S + random.uniform(-30, 30)  # noqa: S311
                await self.look()
            except (DomainError, PyMongoError) as error:
                log.warning("lexicon_stale", error=str(error))
            await asyncio.sleep(POLL_INTERVAL_S * random.uniform(0.9, 1.1))  # noqa: S311

    async def read_all(self) -> None:
        """Counts all words anew, on the shards that answer."""
        started = self._clock.now()
        found = await self._shards.scatter(_count_index, READ_ALL_TIMEOUT_S)
        counts: Counter[str] = Counter()
        for of_shard in found.results:
            counts.update(of_shard.terms)
        self.vocabulary = Vocabulary(counts, sum(of_shard.listings for of_shard in found.results))
        self.phrases = PhraseIndex(each for of_shard in found.results for each in of_shard.phrases)
        for shard in self._shards.all_shards():
            self._latest.setdefault(shard.name, started)
            self._seen.setdefault(shard.name, {})

    async def look(self) -> None:
        """Adds what has changed since the last look."""
        await self._shards.scatter(self._look_at, POLL_TIMEOUT_S)

    async def _look_at(self, shard: Shard) -> None:
        seen = self._seen.setdefault(shard.name, {})
        latest = self._latest.get(shard.name, datetime.fromtimestamp(0, UTC) + OVERLAP)
        for changed in await search_index.list_changes_since(
            shard.db, latest - OVERLAP, MAX_CHANGES_PER_POLL + len(seen)
        ):
            if seen.get(changed.listing_id, (0, latest))[0] < changed.version:
                seen[changed.listing_id] = (changed.version, changed.index_time)
                self.vocabulary.add(changed.terms)
                self.phrases.add(changed.phrases)
            latest = max(latest, changed.index_time)
        self._latest[shard.name] = latest
        self._seen[shard.name] = {
            listing_id: entry for listing_id, entry in seen.items() if entry[1] >= latest - OVERLAP
        }


@dataclass(frozen=True, slots=True)
class _IndexCounts:
    terms: dict[str, int]
    listings: int
    phrases: list[tuple[Phrase, int]]


async def _count_index(shard: Shard) -> _IndexCounts:
    terms, listings = await search_index.count_terms(shard.db)
    return _IndexCounts(terms, listings, await search_index.count_phrases(shard.db))

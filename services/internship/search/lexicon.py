"""The vocabulary of the index, kept up to date in each process that answers searches."""

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta

from chassis.clock import Clock
from chassis.errors import DomainError
from chassis.observability.logging import get_logger
from chassis.search.vocabulary import Vocabulary
from services.internship.search.phrases import PhraseIndex, phrase_lookup_key
from services.internship.search.port import ChangePosition, IndexChange, SearchIndex

POLL_INTERVAL_S = 0.5
RELOAD_INTERVAL_S = 1800.0
MAX_CHANGES_PER_POLL = 500
OVERLAP = timedelta(seconds=5)
"""The tolerated difference of writers' clocks and commits; entries read again are recognised."""
MAX_DELAY = timedelta(minutes=1)
"""After this time no change of an earlier time is expected any more, so that none is read again and again."""
_FIRST_POSITION = ChangePosition(datetime.fromtimestamp(0, UTC), MAX_CHANGES_PER_POLL)

_log = get_logger()


class Lexicon:
    """The vocabulary of the index, the phrases for suggestions, and a tag that changes with the index.

    All is read at the start and every half hour, with half a minute's jitter; in between, changes are added
    twice a second.
    """

    def __init__(self, index: SearchIndex, clock: Clock) -> None:
        self.vocabulary = Vocabulary(name_words=())
        self.phrases = PhraseIndex()
        self._index = index
        self._clock = clock
        self._latest: dict[str, datetime] = {}
        self._seen: dict[str, dict[str, tuple[int, datetime]]] = {}

    @property
    def tag(self) -> str:
        """The same in all processes that have read the same changes of the index."""
        return ".".join(f"{name}:{latest.timestamp():.3f}" for name, latest in sorted(self._latest.items()))

    async def keep_fresh(self) -> None:
        """Follow the index until cancelled."""
        reload_at = 0.0
        while True:
            try:
                if time.monotonic() >= reload_at:
                    await self.reload()
                    reload_at = time.monotonic() + RELOAD_INTERVAL_S + random.uniform(-30, 30)  # noqa: S311
                await self.poll()
            except DomainError as error:
                _log.warning("lexicon_stale", error=str(error))
            await asyncio.sleep(POLL_INTERVAL_S * random.uniform(0.9, 1.1))  # noqa: S311

    async def reload(self) -> None:
        """Count all words again, on the partitions that answer."""
        started = self._clock.now()
        counts = await self._index.count_words()
        words = (word for phrase, _ in counts.phrases for word in phrase_lookup_key(phrase.name).split())
        self.vocabulary = Vocabulary(counts.terms, counts.listings, words)
        self.phrases = PhraseIndex(counts.phrases)
        for partition in counts.partitions:
            self._latest.setdefault(partition, started)
            self._seen.setdefault(partition, {})

    async def poll(self) -> None:
        """Add the words of entries that were indexed since the last poll."""
        settled_until = self._clock.now() - MAX_DELAY
        positions = {
            partition: ChangePosition(
                max(latest - OVERLAP, settled_until),
                MAX_CHANGES_PER_POLL + len(self._seen.get(partition, ())),
            )
            for partition, latest in self._latest.items()
        }
        for partition, changes in (await self._index.list_changes(positions, _FIRST_POSITION)).items():
            self._add_changes(partition, changes)

    def _add_changes(self, partition: str, changes: list[IndexChange]) -> None:
        seen = self._seen.setdefault(partition, {})
        latest = self._latest.get(partition, _FIRST_POSITION.since + OVERLAP)
        for change in changes:
            if seen.get(change.listing_id, (0, latest))[0] < change.version:
                seen[change.listing_id] = (change.version, change.index_time)
                self.vocabulary.add(change.terms)
                self.phrases.add(change.phrases)
                for phrase in change.phrases:
                    self.vocabulary.add_name_words(phrase_lookup_key(phrase.name).split())
            latest = max(latest, change.index_time)
        self._latest[partition] = latest
        self._seen[partition] = {
            listing_id: entry for listing_id, entry in seen.items() if entry[1] >= latest - OVERLAP
        }

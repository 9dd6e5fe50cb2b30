"""Counting the readers of listings.

The edge records the reads that it can tell apart (`gateway/ratelimit/view_log.py`); here the others are
counted: reads of people who are signed in, and over gRPC.
"""

import asyncio
import random
from typing import Final

from chassis.observability.logging import get_logger
from chassis.redis.client import REDIS_ERRORS
from chassis.redis.unique_readers import UniqueReaderCounter

MAX_WAITING_READINGS: Final = 50_000
"""Reads that may wait to be stored; more than a process can answer in many seconds."""

_log = get_logger()


class ViewRecorder:
    """Counts readers of listings. A process that is killed loses the reads of one interval."""

    def __init__(self, readers: UniqueReaderCounter, interval_s: float) -> None:
        self._readers = readers
        self._interval_s = interval_s
        self._waiting: set[tuple[str, str]] = set()

    def record(self, listing_id: str, reader_id: str) -> None:
        """Count a reader of a listing; "" for a reader that the edge has recorded already."""
        if reader_id and len(self._waiting) < MAX_WAITING_READINGS:
            self._waiting.add((listing_id, reader_id))

    async def flush_periodically(self) -> None:
        """Flush every interval, until cancelled."""
        while True:
            await asyncio.sleep(self._interval_s * random.uniform(0.9, 1.1))  # noqa: S311
            await self.flush()

    async def flush(self) -> None:
        """Store the waiting reads; while Redis does not answer they go on waiting."""
        seen, self._waiting = self._waiting, set()
        if not seen:
            return
        try:
            await self._readers.record_reads(seen)
        except REDIS_ERRORS as error:
            _log.warning("views_wait", readings=len(seen), error=str(error))
            self._waiting |= seen if len(self._waiting) + len(seen) <= MAX_WAITING_READINGS else set()

"""Publishing listings' numbers of readers."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from chassis.errors import DomainError
from chassis.observability.logging import get_logger
from chassis.redis.client import REDIS_ERRORS
from chassis.redis.unique_readers import SubjectDay, UniqueReaderCounter
from services.internship.repository.published_views import PublishedViewRepository

BATCH_SIZE: Final = 200

_log = get_logger()


@dataclass(frozen=True)
class ViewPublisher:
    """Publishes each listing's number of readers, as the difference to the published one of the same day.

    Counts that a killed worker had taken are published with the listing's next reader.
    """

    published: PublishedViewRepository
    readers: UniqueReaderCounter

    async def publish_counts(self) -> None:
        """Publish the numbers of listings with new readers since the last run."""
        while readings := await self.readers.pop_changed(BATCH_SIZE):
            counts = await self._counts(readings)
            for group in self.published.group_counts(counts):
                await self._publish(group)

    async def _counts(self, readings: Sequence[SubjectDay]) -> Mapping[SubjectDay, int]:
        try:
            return await self.readers.counts(readings)
        except REDIS_ERRORS:
            with suppress(*REDIS_ERRORS):
                await self.readers.requeue_changed(readings)
            raise

    async def _publish(self, counts: Mapping[SubjectDay, int]) -> None:
        try:
            await self.published.publish(counts)
        except DomainError as error:
            _log.warning("views_wait", listings=len(counts), error=str(error))
            await self.readers.requeue_changed(list(counts))
            raise

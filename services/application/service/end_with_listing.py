"""The end of a listing: its live applications end with it."""

from collections.abc import Iterable, Sequence
from typing import Final

from chassis.clock import Clock
from chassis.concurrency.bounded_gather import gather_errors
from chassis.errors import DomainError
from chassis.observability.logging import get_logger
from services.application.domain import moves
from services.application.domain.applicants import ApplicantRow
from services.application.domain.events import with_events
from services.application.domain.model import UNDECIDED_STATES, ApplicationPolicy, ListingEnding
from services.application.repository import ApplicantRepository, ApplicationRepository

BATCH_SIZE: Final = 200
MAX_CONCURRENT_APPLICATIONS: Final = 16
MAX_BATCHES: Final = 10
"""Batches of one listing in one run: far less work than a handler has time for."""

_log = get_logger()


class EndWithListing:
    """Ends, for the system, the live applications of listings that have ended."""

    def __init__(
        self,
        repository: ApplicationRepository,
        applicants: ApplicantRepository,
        clock: Clock,
        policy: ApplicationPolicy,
    ) -> None:
        self._repository = repository
        self._applicants = applicants
        self._clock = clock
        self._policy = policy

    async def record_listing_ending(self, ending: ListingEnding) -> None:
        """Record a listing's state, and end its live applications if it has ended.

        Applications that cannot be ended now, or exceed one handler's batches, are left to `resume_endings`.
        """
        await self._applicants.put_ending(ending)
        await self.end_applications(ending.id)

    async def resume_endings(self) -> None:
        """End the applications that are still alive for listings that have ended."""
        for internship_id in await self._applicants.list_pending_endings(BATCH_SIZE):
            await self.end_applications(internship_id)

    async def end_applications(self, internship_id: str) -> None:
        """End live applications of a listing that has ended, some batches of them; repeatable at will."""
        ending = await self._applicants.get_ending(internship_id)
        last_id: str | None = None
        failures = 0
        for _ in range(MAX_BATCHES):
            if ending is None or not ending.pending:
                return
            rows = await self._applicants.list_of_listing(
                internship_id, UNDECIDED_STATES, last_id, BATCH_SIZE
            )
            failures += await self._end_each_application([row.id for row in rows], ending)
            if len(rows) < BATCH_SIZE:
                if not failures:
                    await self._applicants.mark_ending_settled(ending)
                return
            last_id = rows[-1].id
            ending = await self._applicants.get_ending(internship_id)

    async def end_if_listings_ended(self, rows: Iterable[ApplicantRow]) -> None:
        """End applications that were submitted while their listings ended."""
        submitted = list(rows)
        endings = await self._applicants.find_endings(row.internship_id for row in submitted)
        for row in submitted:
            ending = endings.get(row.internship_id)
            if ending is not None and ending.reason is not None:
                await self._end_application(row.id, ending)

    async def _end_each_application(self, application_ids: Sequence[str], ending: ListingEnding) -> int:
        """End each; return how many could not be ended now."""
        outcomes = await gather_errors(
            application_ids,
            lambda id_: self._end_application(id_, ending),
            max_concurrent=MAX_CONCURRENT_APPLICATIONS,
        )
        failures = [each for each in outcomes if each is not None]
        for each in failures:
            if not isinstance(each, DomainError):
                raise each
            _log.info("application not ended yet", internship_id=ending.id, error=str(each))
        return len(failures)

    async def _end_application(self, application_id: str, ending: ListingEnding) -> None:
        application = await self._repository.get(application_id)
        if application is None:
            return
        now = self._clock.now()
        decide = with_events(lambda seen: moves.end_with_listing(seen, ending, now, self._policy))
        await self._repository.update(application_id, decide, known=application)

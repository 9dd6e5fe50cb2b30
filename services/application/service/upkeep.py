"""What happens without anybody's asking: offers expire, rejections are told, listings end applications."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from chassis.concurrency.bounded_gather import gather_errors, run_for_each
from chassis.errors import DomainError
from chassis.observability.logging import get_logger
from services.application.domain import moves
from services.application.domain.model import UNDECIDED_STATES, Application, ListingEnding
from services.application.repository import ApplicantRepository, ApplicationRepository
from services.application.service.acceptance import AcceptOffers
from services.application.service.changes import ApplicationUpdater
from services.application.service.offers import MakeOffers

BATCH_SIZE: Final = 200
MAX_CONCURRENT_APPLICATIONS: Final = 16
RETRY_DELAY: Final = timedelta(minutes=1)
MAX_BATCHES: Final = 10
"""Of one listing in one go: far less work than a handler has time for."""

_log = get_logger()


class ApplicationUpkeep:
    """Acts for the system."""

    def __init__(
        self,
        store: ApplicationRepository,
        applicants: ApplicantRepository,
        changes: ApplicationUpdater,
        acceptances: AcceptOffers,
        offers: MakeOffers,
    ) -> None:
        self._store = store
        self._applicants = applicants
        self._changes = changes
        self._acceptances = acceptances
        self._offers = offers

    async def settle_due(self) -> None:
        """Settles all that is due now, batch by batch; what fails is tried again a minute later."""
        while due := await self._store.due(self._changes.clock.now(), BATCH_SIZE):
            await run_for_each(due, self._settle, max_concurrent=MAX_CONCURRENT_APPLICATIONS)

    async def listing_moved(self, ending: ListingEnding) -> None:
        """Follows a listing's state: what is alive ends with it, with notice.

        What cannot be ended now, or is more than a while's work, is gone on with by `go_on_ending`.
        """
        await self._applicants.hear(ending)
        await self.end_applications(ending.id)

    async def go_on_ending(self) -> None:
        """Ends what listings that have ended still left alive."""
        for internship_id in await self._applicants.pending_endings(BATCH_SIZE):
            await self.end_applications(internship_id)

    async def end_applications(self, internship_id: str) -> None:
        """Ends what is alive for a listing that has ended, some batches of it; can be repeated at will."""
        ending = await self._applicants.ending(internship_id)
        last_id: str | None = None
        failures = 0
        for _ in range(MAX_BATCHES):
            if ending is None or not ending.pending:
                return
            rows = await self._applicants.of_listing(internship_id, UNDECIDED_STATES, last_id, BATCH_SIZE)
            failures += await self._end_each([row.id for row in rows], ending)
            if len(rows) < BATCH_SIZE:
                if not failures:
                    await self._applicants.settled(ending)
                return
            last_id = rows[-1].id
            ending = await self._applicants.ending(internship_id)

    async def end_if_over(self, application_id: str, internship_id: str) -> None:
        """Ends an application that was under way here while its listing ended."""
        ending = await self._applicants.ending(internship_id)
        if ending is not None and ending.reason is not None:
            await self._end(application_id, ending)

    async def _end_each(self, application_ids: Sequence[str], ending: ListingEnding) -> int:
        """How many could not be ended now."""
        outcomes = await gather_errors(
            application_ids,
            lambda id_: self._end(id_, ending),
            max_concurrent=MAX_CONCURRENT_APPLICATIONS,
        )
        failures = [each for each in outcomes if each is not None]
        for each in failures:
            if not isinstance(each, DomainError):
                raise each
            _log.info("application not ended yet", internship_id=ending.id, error=str(each))
        return len(failures)

    async def _end(self, application_id: str, ending: ListingEnding) -> None:
        application = await self._store.get(application_id)
        if application is None:
            return
        now, policy = self._changes.clock.now(), self._changes.policy
        await self._changes.change(
            application, lambda seen: moves.end_with_listing(seen, ending, now, policy)
        )

    async def _settle(self, application: Application) -> None:
        now = self._changes.clock.now()
        if not await self._store.postpone(application, now + RETRY_DELAY):
            return
        try:
            await self._settle_one(application)
        except DomainError as error:
            _log.warning("due application not settled", application_id=application.id, error=str(error))

    async def _settle_one(self, application: Application) -> None:
        if application.acceptance is not None:
            await self._acceptances.finish_pending(application.id)
            return
        if application.offering is not None:
            await self._offers.finish_pending(application.id)
            return
        now, policy = self._changes.clock.now(), self._changes.policy
        await self._changes.change(application, lambda seen: moves.settle_due_application(seen, now, policy))

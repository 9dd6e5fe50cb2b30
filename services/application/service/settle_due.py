"""Due changes: offers expire, rejections are disclosed, broken promises to answer close applications."""

from datetime import timedelta
from typing import Final

from chassis.clock import Clock
from chassis.concurrency.bounded_gather import run_for_each
from chassis.errors import DomainError
from chassis.observability.logging import get_logger
from services.application.domain import moves
from services.application.domain.events import with_events
from services.application.domain.model import Application, ApplicationPolicy
from services.application.repository import ApplicationRepository
from services.application.service.accept_offers import AcceptOffers
from services.application.service.make_offers import MakeOffers

BATCH_SIZE: Final = 200
MAX_CONCURRENT_APPLICATIONS: Final = 16
RETRY_DELAY: Final = timedelta(minutes=1)

_log = get_logger()


class SettleDueApplications:
    """Makes the due changes of applications for the system."""

    def __init__(
        self,
        repository: ApplicationRepository,
        acceptances: AcceptOffers,
        offers: MakeOffers,
        clock: Clock,
        policy: ApplicationPolicy,
    ) -> None:
        self._repository = repository
        self._acceptances = acceptances
        self._offers = offers
        self._clock = clock
        self._policy = policy

    async def settle_due(self) -> None:
        """Settle all applications that are due now, batch by batch; retry a failed one a minute later."""
        while due := await self._repository.list_due(self._clock.now(), BATCH_SIZE):
            await run_for_each(due, self._settle_postponed, max_concurrent=MAX_CONCURRENT_APPLICATIONS)

    async def _settle_postponed(self, application: Application) -> None:
        """Settle one after postponing its due time, so that no other worker settles it at the same time."""
        if not await self._repository.postpone(application, self._clock.now() + RETRY_DELAY):
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
        now = self._clock.now()
        decide = with_events(lambda seen: moves.settle_due_application(seen, now, self._policy))
        await self._repository.update(application.id, decide, known=application)

"""What happens without anybody's asking: offers expire, rejections are told, archived listings end."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final, TypeVar

from chassis.errors import DomainError
from chassis.observability.logging import get_logger
from services.application.domain import moves
from services.application.domain.model import Application, ClosedReason, State
from services.application.service.acceptance import Acceptances
from services.application.service.changes import Changes
from services.application.store import ApplicantStore, ApplicationStore

T = TypeVar("T")

BATCH: Final = 200
AT_ONCE: Final = 16
POSTPONED_FOR: Final = timedelta(minutes=1)
CLOSABLE: Final = (
    State.SUBMITTED,
    State.IN_REVIEW,
    State.SHORTLISTED,
    State.ASSESSMENT,
    State.INTERVIEW,
    State.WAITLISTED,
    State.OFFERED,
)

_log = get_logger()


class Upkeep:
    """Acts for the system."""

    def __init__(
        self,
        store: ApplicationStore,
        applicants: ApplicantStore,
        changes: Changes,
        acceptances: Acceptances,
    ) -> None:
        self._store = store
        self._applicants = applicants
        self._changes = changes
        self._acceptances = acceptances

    async def settle_due(self) -> None:
        """Settles all that is due now, batch by batch; what fails is tried again a minute later."""
        while due := await self._store.due(self._changes.clock.now(), BATCH):
            await _each(due, self._settle)

    async def archive(self, internship_id: str) -> None:
        """The listing is archived: what was under way for it ends with notice.

        Raises UNEXPECTED_STATE while an offer of it is being accepted, to be repeated afterwards.
        """
        await self._applicants.archive(internship_id)
        last_id: str | None = None
        while True:
            rows = await self._applicants.of_listing(internship_id, CLOSABLE, last_id, BATCH)
            await _each([row.id for row in rows], self.close_archived)
            if len(rows) < BATCH:
                return
            last_id = rows[-1].id

    async def close_if_archived(self, application_id: str, internship_id: str) -> None:
        """Ends an application that was under way while its listing was archived."""
        if await self._applicants.is_archived(internship_id):
            await self.close_archived(application_id)

    async def close_archived(self, application_id: str) -> None:
        """Ends one application of an archived listing, if it is still under way."""
        application = await self._store.get(application_id)
        if application is None:
            return
        now, policy = self._changes.clock.now(), self._changes.policy

        def close(seen: Application) -> Application | None:
            if seen.state not in CLOSABLE:
                return None
            return moves.close(seen, ClosedReason.LISTING_ARCHIVED, now, policy)

        await self._changes.change(application, close)

    async def _settle(self, application: Application) -> None:
        now = self._changes.clock.now()
        if not await self._store.postpone(application, now + POSTPONED_FOR):
            return
        try:
            await self._settle_one(application)
        except DomainError as error:
            _log.warning("due application not settled", application_id=application.id, error=str(error))

    async def _settle_one(self, application: Application) -> None:
        if application.acceptance is not None:
            await self._acceptances.finish_pending(application.id)
            return
        now, policy = self._changes.clock.now(), self._changes.policy
        await self._changes.change(application, lambda seen: moves.settle_due(seen, now, policy))


async def _each(items: Sequence[T], act: Callable[[T], Awaitable[None]]) -> None:
    """Acts on every item, a few at once; then raises the first failure, if any."""
    room = asyncio.Semaphore(AT_ONCE)

    async def bounded(item: T) -> None:
        async with room:
            await act(item)

    outcomes = await asyncio.gather(*map(bounded, items), return_exceptions=True)
    for outcome in outcomes:
        if outcome is not None:
            raise outcome

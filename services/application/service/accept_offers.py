"""Accepting an offer: the acceptance is marked, an opening is taken at the listing, the student is hired.

Each step is stored before the next begins, and each can be repeated, so an acceptance that is interrupted is
completed, or undone, by the student's repeat, by the worker, or by the periodic task.
"""

import asyncio
from datetime import datetime
from typing import Final

from chassis.call_context import Principal
from chassis.clock import Clock
from chassis.errors import DomainError, domain_error
from chassis.idempotency import IdempotentOperation
from services.application.domain import moves
from services.application.domain.events import with_events
from services.application.domain.model import Application, ApplicationPolicy, ApplicationState
from services.application.domain.student_view import student_view
from services.application.repository import ApplicationRepository
from services.application.service.access import (
    actor_of_principal,
    check_etag,
    operation_id,
    read_application,
)
from services.application.service.ports import ListingDirectory

TAKE_OPENING_REFUSALS: Final = frozenset(
    {"NO_OPENING_LEFT", "INTERNSHIP_NOT_FOUND", "INTERNSHIP_NOT_OPEN", "ILLEGAL_TRANSITION"}
)
"""Errors after which no opening has been taken for certain; after any other it may have been."""
FIRST_CHECK_DELAY_S: Final = 0.5


class AcceptOffers:
    """Runs acceptances of offers."""

    def __init__(
        self,
        repository: ApplicationRepository,
        listings: ListingDirectory,
        clock: Clock,
        policy: ApplicationPolicy,
    ) -> None:
        self._repository = repository
        self._listings = listings
        self._clock = clock
        self._policy = policy

    async def accept_offer(
        self, application_id: str, principal: Principal, etag: str, operation: IdempotentOperation | None
    ) -> Application:
        """Accept the offer for the student, who is hired by it.

        Raises ILLEGAL_TRANSITION when no offer stands, STALE_ETAG, NO_OPENING_LEFT; after UNAVAILABLE the
        acceptance stays pending and is finished later.
        """
        application = await read_application(self._repository, application_id, principal)
        if operation is not None and application.was_moved_by(operation.id):
            return application
        now, actor = self._clock.now(), actor_of_principal(principal)

        def start(seen: Application) -> Application | None:
            if seen.acceptance is not None:
                return None
            check_etag(etag, student_view(seen, now).version, seen)
            return moves.start_acceptance(seen, actor, now, self._policy, operation_id(operation))

        started = await self._repository.update(application_id, with_events(start), known=application)
        return await self.finish_acceptance(started)

    async def finish_acceptance(self, application: Application) -> Application:
        """Take the opening and hire; when there is none, undo the acceptance and raise NO_OPENING_LEFT."""
        try:
            await self._listings.take_opening(application.internship_id, application.id, application.version)
        except DomainError as error:
            if error.reason in TAKE_OPENING_REFUSALS:
                await self._undo_acceptance(application)
                raise _no_opening_error(error) from error
            raise
        return await self._complete_acceptance(application)

    async def resume_acceptance(self, application_id: str) -> None:
        """Wait for the call that began the acceptance a moment ago, then finish it."""
        for pause_s in (FIRST_CHECK_DELAY_S, self._policy.acceptance_timeout.total_seconds()):
            application = await self._repository.get(application_id)
            if application is None or application.acceptance is None:
                return
            await asyncio.sleep(min(pause_s, self._remaining_wait_s(application)))
        await self.finish_pending(application_id)

    async def finish_pending(self, application_id: str) -> None:
        """Finish an acceptance that is still pending; without an opening it is undone."""
        application = await self._repository.get(application_id)
        if application is None or application.acceptance is None:
            return
        try:
            await self.finish_acceptance(application)
        except DomainError as error:
            if error.reason != "NO_OPENING_LEFT":
                raise

    async def _complete_acceptance(self, started: Application) -> Application:
        now = self._clock.now()

        def complete(seen: Application) -> Application | None:
            if not _is_same_acceptance(seen, started):
                return None
            return moves.complete_acceptance(seen, now, self._policy)

        application = await self._repository.update(started.id, with_events(complete), known=started)
        if application.state is not ApplicationState.HIRED:
            raise domain_error("UNEXPECTED_STATE", "The application has moved on since; read it again.")
        return application

    async def _undo_acceptance(self, started: Application) -> None:
        now = self._clock.now()

        def undo(seen: Application) -> Application | None:
            return (
                moves.undo_acceptance(seen, now, self._policy) if _is_same_acceptance(seen, started) else None
            )

        await self._repository.update(started.id, with_events(undo), known=started)

    def _remaining_wait_s(self, application: Application) -> float:
        begun: datetime = (
            application.acceptance.start_time if application.acceptance else application.update_time
        )
        waited_s = (self._clock.now() - begun).total_seconds()
        return max(0.0, self._policy.acceptance_timeout.total_seconds() - waited_s)


def _is_same_acceptance(seen: Application, started: Application) -> bool:
    """Return whether it is the acceptance that was started, not a later one after an undo."""
    return seen.acceptance is not None and seen.acceptance == started.acceptance


def _no_opening_error(error: DomainError) -> DomainError:
    if error.reason == "NO_OPENING_LEFT":
        return error
    return domain_error("NO_OPENING_LEFT", "The internship takes nobody any more.")

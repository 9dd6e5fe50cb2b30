"""Accepting an offer: the accept is marked, an opening is taken at the listing, the student is hired.

Each step is stored before the next begins, and each can be repeated, so an accept that is cut short
is completed, or undone, by the student's repeat, by the worker, or by the upkeep.
"""

import asyncio
from datetime import datetime
from typing import Final

from chassis.call_context import IdempotentOperation, Principal
from chassis.errors import DomainError, domain_error, stale_etag
from chassis.mongo.documents import format_etag as etag_of
from services.application.domain import moves
from services.application.domain.model import Application, ApplicationState
from services.application.domain.student_view import student_view
from services.application.repository import ApplicationRepository
from services.application.service.changes import ApplicationUpdater, ListingDirectory, actor_of_principal

TAKE_OPENING_REFUSALS: Final = frozenset(
    {"NO_OPENING_LEFT", "INTERNSHIP_NOT_FOUND", "INTERNSHIP_NOT_OPEN", "ILLEGAL_TRANSITION"}
)
"""Answers after which no opening has been taken for certain; after any other it may have been."""
FIRST_CHECK_DELAY_S: Final = 0.5


class AcceptOffers:
    """Carries accepts through."""

    def __init__(
        self, store: ApplicationRepository, changes: ApplicationUpdater, listings: ListingDirectory
    ) -> None:
        self._store = store
        self._changes = changes
        self._listings = listings

    async def accept(
        self, application_id: str, student: Principal, etag: str, operation: IdempotentOperation | None
    ) -> Application:
        """The student accepts the offer and is hired.

        Raises ILLEGAL_TRANSITION when no offer stands, STALE_ETAG, NO_OPENING_LEFT; after UNAVAILABLE the
        accept stays pending and is carried through later.
        """
        application = await self._changes.read(application_id, student)
        if operation is not None and application.was_moved_by(operation.id):
            return application
        now, policy, actor = self._changes.clock.now(), self._changes.policy, actor_of_principal(student)
        operation_id = "" if operation is None else operation.id

        def start(seen: Application) -> Application | None:
            if seen.acceptance is not None:
                return None
            if etag and etag != etag_of(student_view(seen, now).version):
                raise stale_etag("application", seen.id)
            return moves.start_acceptance(seen, actor, now, policy, operation_id)

        return await self.finish(await self._changes.change(application, start))

    async def finish(self, application: Application) -> Application:
        """Takes the opening and hires; undoes the accept when there is none, and raises NO_OPENING_LEFT."""
        try:
            await self._listings.take_opening(application.internship_id, application.id, application.version)
        except DomainError as error:
            if error.reason in TAKE_OPENING_REFUSALS:
                await self._undo(application)
                raise _no_opening_error(error) from error
            raise
        return await self._complete(application)

    async def resume(self, application_id: str) -> None:
        """Sees to an accept that began a moment ago: leaves it to its caller first, then finishes it."""
        for pause_s in (FIRST_CHECK_DELAY_S, self._changes.policy.acceptance_timeout.total_seconds()):
            application = await self._store.get(application_id)
            if application is None or application.acceptance is None:
                return
            await asyncio.sleep(min(pause_s, self._patience_left_s(application)))
        await self.finish_pending(application_id)

    async def finish_pending(self, application_id: str) -> None:
        """Finishes an accept that is still pending; that no opening was left is an end like the other."""
        application = await self._store.get(application_id)
        if application is None or application.acceptance is None:
            return
        try:
            await self.finish(application)
        except DomainError as error:
            if error.reason != "NO_OPENING_LEFT":
                raise

    async def _complete(self, started: Application) -> Application:
        now, policy = self._changes.clock.now(), self._changes.policy

        def complete(seen: Application) -> Application | None:
            return (
                moves.complete_acceptance(seen, now, policy) if _is_same_acceptance(seen, started) else None
            )

        application = await self._changes.change(started, complete)
        if application.state is not ApplicationState.HIRED:
            raise domain_error("UNEXPECTED_STATE", "The application has moved on meanwhile; read it again.")
        return application

    async def _undo(self, started: Application) -> None:
        now, policy = self._changes.clock.now(), self._changes.policy

        def undo(seen: Application) -> Application | None:
            return moves.undo_acceptance(seen, now, policy) if _is_same_acceptance(seen, started) else None

        await self._changes.change(started, undo)

    def _patience_left_s(self, application: Application) -> float:
        begun: datetime = (
            application.acceptance.start_time if application.acceptance else application.update_time
        )
        waited_s = (self._changes.clock.now() - begun).total_seconds()
        return max(0.0, self._changes.policy.acceptance_timeout.total_seconds() - waited_s)


def _is_same_acceptance(seen: Application, started: Application) -> bool:
    """Whether it is still the accept that was started, not a later one after an undo."""
    return seen.acceptance is not None and seen.acceptance == started.acceptance


def _no_opening_error(error: DomainError) -> DomainError:
    if error.reason == "NO_OPENING_LEFT":
        return error
    return domain_error("NO_OPENING_LEFT", "The internship takes nobody any more.")

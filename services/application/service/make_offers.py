"""Making an offer: it is marked, an opening is reserved for it at the listing, the offer is made.

So SENT and ACCEPTED offers never exceed the openings, however many are made at once. Each step is stored
before the next begins, and each can be repeated: an offer that is interrupted is completed, or undone, by the
member's repeat or by the periodic task.
"""

from typing import Final

from chassis.clock import Clock
from chassis.errors import DomainError, domain_error
from services.application.domain import moves
from services.application.domain.events import with_events
from services.application.domain.model import Application, ApplicationPolicy, ApplicationState
from services.application.repository import ApplicationRepository
from services.application.service.ports import ListingDirectory

RESERVE_OPENING_REFUSALS: Final = frozenset(
    {"NO_OPENING_LEFT", "INTERNSHIP_NOT_FOUND", "UNEXPECTED_STATE", "ILLEGAL_TRANSITION"}
)
"""Errors after which no opening is reserved for certain; after any other it may be."""


class MakeOffers:
    """Runs the making of offers."""

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

    async def finish_offer(self, application: Application) -> Application:
        """Reserve an opening and make the offer that was begun.

        Raises NO_OPENING_LEFT after undoing it; after UNAVAILABLE it is finished later.
        """
        try:
            await self._listings.reserve_opening(
                application.internship_id, application.id, application.version
            )
        except DomainError as error:
            if error.reason in RESERVE_OPENING_REFUSALS:
                await self._undo_offer(application)
            raise
        return await self._complete_offer(application)

    async def finish_pending(self, application_id: str) -> None:
        """Finish an offer that is still being made; without an opening it is undone."""
        application = await self._repository.get(application_id)
        if application is None or application.offering is None:
            return
        try:
            await self.finish_offer(application)
        except DomainError as error:
            if error.reason not in RESERVE_OPENING_REFUSALS:
                raise

    async def _complete_offer(self, started: Application) -> Application:
        now = self._clock.now()

        def complete(seen: Application) -> Application | None:
            return moves.complete_offer(seen, now, self._policy) if _is_same_offer(seen, started) else None

        application = await self._repository.update(started.id, with_events(complete), known=started)
        if application.state is not ApplicationState.OFFERED:
            raise domain_error("UNEXPECTED_STATE", "The application has moved on since; read it again.")
        return application

    async def _undo_offer(self, started: Application) -> None:
        now = self._clock.now()

        def undo(seen: Application) -> Application | None:
            return moves.undo_offer(seen, now, self._policy) if _is_same_offer(seen, started) else None

        await self._repository.update(started.id, with_events(undo), known=started)


def _is_same_offer(seen: Application, started: Application) -> bool:
    """Return whether it is the offer that was started, not a later one after an undo."""
    return seen.offering is not None and seen.offering == started.offering

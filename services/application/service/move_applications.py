"""The moves of a company's member and of a student."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from chassis.call_context import Principal
from chassis.clock import Clock
from chassis.idempotency import IdempotentOperation
from services.application.domain import moves
from services.application.domain.events import with_events
from services.application.domain.looks import SeenPart, look_at
from services.application.domain.model import Application, ApplicationPolicy, ApplicationState
from services.application.domain.student_view import student_view
from services.application.repository import ApplicationLookRepository, ApplicationRepository
from services.application.service.access import (
    actor_of_principal,
    check_etag,
    operation_id,
    read_application,
)
from services.application.service.make_offers import MakeOffers

ApplicationStep = Callable[[Application], Application | None]


class MoveApplications:
    """Moves applications for a caller, once for each idempotent operation."""

    def __init__(
        self,
        repository: ApplicationRepository,
        looks: ApplicationLookRepository,
        offers: MakeOffers,
        clock: Clock,
        policy: ApplicationPolicy,
    ) -> None:
        self._repository = repository
        self._looks = looks
        self._offers = offers
        self._clock = clock
        self._policy = policy

    async def move(
        self,
        application_id: str,
        principal: Principal,
        target: ApplicationState,
        *,
        expected_state: ApplicationState | None = None,
        etag: str = "",
        note: str = "",
        offer_expire_time: datetime | None = None,
        operation: IdempotentOperation | None = None,
    ) -> Application:
        """Move it for the company; an offer is made only while an opening can be reserved for it.

        The answer shows the applicant, so the move is a look as well: it is stored first.

        Raises ILLEGAL_TRANSITION, UNEXPECTED_STATE, STALE_ETAG, INVALID_FIELD, NO_OPENING_LEFT.
        """
        now, actor = self._clock.now(), actor_of_principal(principal)

        def step(seen: Application) -> Application | None:
            if _is_offered_by(operation, seen):
                return None
            check_etag(etag, seen.version, seen)
            moves.check_expected_state(seen, expected_state)
            begin = (
                partial(moves.start_offer, seen)
                if moves.needs_opening(seen, target)
                else partial(moves.move_application, seen, target)
            )
            return begin(
                actor,
                now,
                self._policy,
                note=note,
                offer_expire_time=offer_expire_time,
                operation_id=operation_id(operation),
            )

        application = await read_application(self._repository, application_id, principal)
        look = look_at(application, SeenPart.APPLICATION, principal.id, principal.role, now)
        await self._looks.record(look)
        moved = await self._apply_once(application, operation, step)
        return moved if moved.offering is None else await self._offers.finish_offer(moved)

    async def withdraw(
        self, application_id: str, principal: Principal, etag: str, operation: IdempotentOperation | None
    ) -> Application:
        """Withdraw it for the student. Raises ILLEGAL_TRANSITION, UNEXPECTED_STATE, STALE_ETAG."""
        now, actor = self._clock.now(), actor_of_principal(principal)

        def step(seen: Application) -> Application:
            check_etag(etag, student_view(seen, now).version, seen)
            return moves.withdraw_application(seen, actor, now, self._policy, operation_id(operation))

        application = await read_application(self._repository, application_id, principal)
        return await self._apply_once(application, operation, step)

    async def decline(
        self, application_id: str, principal: Principal, etag: str, operation: IdempotentOperation | None
    ) -> Application:
        """Decline the offer for the student. Raises ILLEGAL_TRANSITION, UNEXPECTED_STATE, STALE_ETAG."""
        now, actor = self._clock.now(), actor_of_principal(principal)

        def step(seen: Application) -> Application:
            check_etag(etag, student_view(seen, now).version, seen)
            return moves.decline_offer(seen, actor, now, self._policy, operation_id(operation))

        application = await read_application(self._repository, application_id, principal)
        return await self._apply_once(application, operation, step)

    async def _apply_once(
        self,
        application: Application,
        operation: IdempotentOperation | None,
        step: ApplicationStep,
    ) -> Application:
        """Take the step unless an interrupted run of this operation has taken it."""
        decide = with_events(lambda seen: None if _is_done_by(operation, seen) else step(seen))
        return await self._repository.update(application.id, decide, known=application)


def _is_offered_by(operation: IdempotentOperation | None, application: Application) -> bool:
    """Return whether an interrupted run of this operation has begun the offer."""
    mark = application.offering
    return operation is not None and mark is not None and mark.operation_id == operation.id


def _is_done_by(operation: IdempotentOperation | None, application: Application) -> bool:
    return operation is not None and application.was_moved_by(operation.id)

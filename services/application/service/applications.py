"""Applying, looking, moving and leaving."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from chassis.call_context import IdempotentOperation, Principal
from chassis.errors import stale_etag
from chassis.ids import new_id, slot_of
from chassis.mongo.documents import format_etag as etag_of
from services.application.domain import moves
from services.application.domain.model import (
    Application,
    ApplicationActor,
    ApplicationActorKind,
    ApplicationState,
    QuestionAnswer,
)
from services.application.domain.student_view import student_view
from services.application.domain.submission import ListingIntake, StudentSnapshot, submit_application
from services.application.events.outgoing import submission_events
from services.application.repository import ApplicationRepository
from services.application.service.changes import (
    ApplicationStep,
    ApplicationUpdater,
    ListingDirectory,
    StudentDirectory,
    actor_of_principal,
)
from services.application.service.offers import MakeOffers


class ManageApplications:
    """The use cases of a student and of a company's member on one application."""

    def __init__(
        self,
        store: ApplicationRepository,
        changes: ApplicationUpdater,
        listings: ListingDirectory,
        students: StudentDirectory,
        offers: MakeOffers,
    ) -> None:
        self._store = store
        self._changes = changes
        self._listings = listings
        self._students = students
        self._offers = offers

    async def submit(
        self,
        student: Principal,
        internship_id: str,
        answers: Sequence[QuestionAnswer],
        cover_letter: str,
        operation: IdempotentOperation | None,
    ) -> Application:
        """The student's new application; a repeat under the same idempotency key gives the first one.

        Raises INTERNSHIP_NOT_FOUND, INTERNSHIP_NOT_OPEN, ANSWERS_INCOMPLETE, ALREADY_APPLIED,
        USER_NOT_FOUND, PERMISSION_DENIED.
        """
        application_id = _new_application_id(student, operation)
        if operation is not None and operation.is_replay:
            earlier = await self._store.get(application_id)
            if earlier is not None:
                return earlier
        listing, applicant = await self._listing_and_student(internship_id, student.id)
        application = submit_application(
            application_id,
            listing,
            applicant,
            self._changes.clock.now(),
            self._changes.policy,
            answers=answers,
            cover_letter=cover_letter,
            operation_id=_operation_id(operation),
        )
        return await self._store.insert(application, submission_events(application))

    async def look(self, application_id: str, reader: Principal) -> Application:
        """One application. The company's first look moves it to IN_REVIEW; a VIEWER's look moves nothing."""
        application = await self._changes.read(application_id, reader)
        actor = actor_of_principal(reader)
        if actor.kind is ApplicationActorKind.STUDENT:
            return application
        now, policy = self._changes.clock.now(), self._changes.policy
        return await self._changes.change(
            application, lambda seen: moves.start_review(seen, actor, now, policy)
        )

    async def of_student(self, student: Principal, after_id: str | None, limit: int) -> list[Application]:
        """The student's applications, newest first, without the frozen profiles."""
        return await self._store.of_student(student.id, after_id, limit)

    async def move(
        self,
        application_id: str,
        member: Principal,
        target: ApplicationState,
        *,
        expected_state: ApplicationState | None = None,
        etag: str = "",
        note: str = "",
        offer_expire_time: datetime | None = None,
        operation: IdempotentOperation | None = None,
    ) -> Application:
        """The company moves it; an offer is made only while an opening can be kept for it.

        Raises ILLEGAL_TRANSITION, UNEXPECTED_STATE, STALE_ETAG, INVALID_FIELD, NO_OPENING_LEFT.
        """
        now, policy, actor = self._changes.clock.now(), self._changes.policy, actor_of_principal(member)

        def step(seen: Application) -> Application | None:
            if _is_offered_by(operation, seen):
                return None
            _check_etag(etag, seen.version, seen)
            moves.check_expected_state(seen, expected_state)
            begin = moves.start_offer if moves.needs_opening(seen, target) else partial(_move_to, target)
            return begin(
                seen,
                actor,
                now,
                policy,
                note=note,
                offer_expire_time=offer_expire_time,
                operation_id=_operation_id(operation),
            )

        moved = await self._once(application_id, member, operation, step)
        return moved if moved.offering is None else await self._offers.finish(moved)

    async def withdraw(
        self, application_id: str, student: Principal, etag: str, operation: IdempotentOperation | None
    ) -> Application:
        """The student takes it back. Raises ILLEGAL_TRANSITION, UNEXPECTED_STATE, STALE_ETAG."""
        now, policy, actor = self._changes.clock.now(), self._changes.policy, actor_of_principal(student)

        def step(seen: Application) -> Application:
            _check_etag(etag, student_view(seen, now).version, seen)
            return moves.withdraw_application(seen, actor, now, policy, _operation_id(operation))

        return await self._once(application_id, student, operation, step)

    async def decline(
        self, application_id: str, student: Principal, etag: str, operation: IdempotentOperation | None
    ) -> Application:
        """The student declines the offer. Raises ILLEGAL_TRANSITION, UNEXPECTED_STATE, STALE_ETAG."""
        now, policy, actor = self._changes.clock.now(), self._changes.policy, actor_of_principal(student)

        def step(seen: Application) -> Application:
            _check_etag(etag, student_view(seen, now).version, seen)
            return moves.decline_offer(seen, actor, now, policy, _operation_id(operation))

        return await self._once(application_id, student, operation, step)

    async def _once(
        self,
        application_id: str,
        caller: Principal,
        operation: IdempotentOperation | None,
        step: ApplicationStep,
    ) -> Application:
        """Takes the step unless this operation took it in an earlier run that was cut short."""
        application = await self._changes.read(application_id, caller)
        return await self._changes.change(
            application, lambda seen: None if _is_done_by(operation, seen) else step(seen)
        )

    async def _listing_and_student(
        self, internship_id: str, student_id: str
    ) -> tuple[ListingIntake, StudentSnapshot]:
        return await asyncio.gather(self._listings.get(internship_id), self._students.get(student_id))


def _move_to(
    target: ApplicationState, seen: Application, actor: ApplicationActor, *when: Any, **how: Any
) -> Application:
    return moves.move_application(seen, target, actor, *when, **how)


def _is_offered_by(operation: IdempotentOperation | None, application: Application) -> bool:
    """Whether this very operation has begun the offer in an earlier run that was cut short."""
    mark = application.offering
    return operation is not None and mark is not None and mark.operation_id == operation.id


def _new_application_id(student: Principal, operation: IdempotentOperation | None) -> str:
    if operation is None:
        return new_id("app", slot_of(student.id))
    return new_id("app", slot_of(student.id), at=operation.started_at, seed=operation.id.encode())


def _operation_id(operation: IdempotentOperation | None) -> str:
    return "" if operation is None else operation.id


def _is_done_by(operation: IdempotentOperation | None, application: Application) -> bool:
    return operation is not None and application.was_moved_by(operation.id)


def _check_etag(etag: str, version: int, application: Application) -> None:
    if etag and etag != etag_of(version):
        raise stale_etag("application", application.id)

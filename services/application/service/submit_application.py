"""Applying to a listing."""

import asyncio
from collections.abc import Sequence

from chassis.call_context import IdempotentOperation, Principal
from chassis.clock import Clock
from chassis.ids import new_id, slot_of
from services.application.domain.events import ApplicationWasSubmitted
from services.application.domain.model import Application, ApplicationPolicy, QuestionAnswer
from services.application.domain.submission import submit_application
from services.application.repository import ApplicationRepository
from services.application.service.access import operation_id
from services.application.service.ports import ListingDirectory, StudentDirectory


class SubmitApplication:
    """Submits applications of students."""

    def __init__(
        self,
        repository: ApplicationRepository,
        listings: ListingDirectory,
        students: StudentDirectory,
        clock: Clock,
        policy: ApplicationPolicy,
    ) -> None:
        self._repository = repository
        self._listings = listings
        self._students = students
        self._clock = clock
        self._policy = policy

    async def submit(
        self,
        principal: Principal,
        internship_id: str,
        answers: Sequence[QuestionAnswer],
        cover_letter: str,
        operation: IdempotentOperation | None,
    ) -> Application:
        """Return the student's new application; a repeat under one idempotency key returns the same.

        Raises INTERNSHIP_NOT_FOUND, INTERNSHIP_NOT_OPEN, ANSWERS_INCOMPLETE, ALREADY_APPLIED, USER_NOT_FOUND,
        PERMISSION_DENIED.
        """
        application_id = _new_application_id(principal, operation)
        if operation is not None and operation.is_replay:
            earlier = await self._repository.get(application_id)
            if earlier is not None:
                return earlier
        listing, student = await asyncio.gather(
            self._listings.get_intake(internship_id), self._students.get_snapshot(principal.id)
        )
        application = submit_application(
            application_id,
            listing,
            student,
            self._clock.now(),
            self._policy,
            answers=answers,
            cover_letter=cover_letter,
            operation_id=operation_id(operation),
        )
        return await self._repository.insert(application, ApplicationWasSubmitted(application))


def _new_application_id(principal: Principal, operation: IdempotentOperation | None) -> str:
    if operation is None:
        return new_id("app", slot_of(principal.id))
    return new_id("app", slot_of(principal.id), at=operation.started_at, seed=operation.id.encode())

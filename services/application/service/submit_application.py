"""Applying to a listing."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chassis.call_context import Principal
from chassis.clock import Clock
from chassis.idempotency import IdempotentOperation, answer_to_store
from chassis.ids import new_id, slot_of
from services.application.domain.events import ApplicationWasSubmitted
from services.application.domain.model import Application, ApplicationPolicy, QuestionAnswer
from services.application.domain.submission import submit_application
from services.application.repository import ApplicationRepository
from services.application.service.access import operation_id
from services.application.service.ports import ListingDirectory, StudentDirectory


@dataclass(frozen=True, slots=True)
class SubmissionForm:
    """What a student fills in."""

    internship_id: str
    answers: Sequence[QuestionAnswer] = ()
    cover_letter: str = ""


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
        form: SubmissionForm,
        operation: IdempotentOperation | None,
        encode: Callable[[Application], bytes],
    ) -> Application:
        """Return the student's new application.

        With an operation, the answer to the call, as `encode` gives it, is stored together with it.

        Raises INTERNSHIP_NOT_FOUND, INTERNSHIP_NOT_OPEN, ANSWERS_INCOMPLETE, ALREADY_APPLIED, USER_NOT_FOUND,
        PERMISSION_DENIED.
        """
        listing, student = await asyncio.gather(
            self._listings.get_intake(form.internship_id), self._students.get_snapshot(principal.id)
        )
        application = submit_application(
            new_id("app", slot_of(principal.id)),
            listing,
            student,
            self._clock.now(),
            self._policy,
            answers=form.answers,
            cover_letter=form.cover_letter,
            operation_id=operation_id(operation),
        )
        return await self._repository.insert(
            application,
            ApplicationWasSubmitted(application),
            answer=answer_to_store(operation, lambda: encode(application)),
        )

"""Applying to a listing.

The order is: the rules, then the documents are held, then the application is stored. So what an application
names is held for it, whatever the student does with the documents between these steps or later. When the last
step fails, or its process ends before it, a hold is left over: it is given up here or by `SettleDocuments`.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from chassis.call_context import Principal
from chassis.clock import Clock
from chassis.errors import UNAVAILABLE_REASONS, DomainError
from chassis.idempotency import IdempotentOperation, answer_to_store
from chassis.ids import new_id, slot_of
from services.application.domain.events import ApplicationWasSubmitted
from services.application.domain.model import Application, ApplicationPolicy, QuestionAnswer
from services.application.domain.submission import submit_application, texts_of, with_blind_view
from services.application.repository import ApplicationRepository
from services.application.service.access import operation_id
from services.application.service.ports import DocumentDirectory, ListingDirectory, StudentDirectory


@dataclass(frozen=True, slots=True)
class SubmissionForm:
    """What a student fills in."""

    internship_id: str
    answers: Sequence[QuestionAnswer] = ()
    cover_letter: str = ""
    document_ids: Sequence[str] = ()


class SubmitApplication:
    """Submits applications of students."""

    def __init__(
        self,
        repository: ApplicationRepository,
        listings: ListingDirectory,
        students: StudentDirectory,
        documents: DocumentDirectory,
        *,
        clock: Clock,
        policy: ApplicationPolicy,
    ) -> None:
        self._repository = repository
        self._listings = listings
        self._students = students
        self._documents = documents
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
        PERMISSION_DENIED, DOCUMENT_NOT_FOUND, DOCUMENT_NOT_READY, DOCUMENT_QUOTA_EXCEEDED.
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
        if application.blind_review:
            texts = texts_of(application)
            blind_student = await self._students.get_blind_snapshot(principal.id, texts)
            application = with_blind_view(application, blind_student)
        application = await self._with_documents(application, form.document_ids)
        try:
            return await self._repository.insert(
                application,
                ApplicationWasSubmitted(application),
                answer=answer_to_store(operation, lambda: encode(application)),
            )
        except DomainError as error:
            await self._give_up_documents(application, error)
            raise

    async def _with_documents(self, application: Application, document_ids: Sequence[str]) -> Application:
        """Return the application with the versions that are held for it from now on."""
        if not document_ids:
            return application
        held = await self._documents.hold(application.id, application.student_id, document_ids)
        return replace(application, documents=held)

    async def _give_up_documents(self, application: Application, error: DomainError) -> None:
        """Give up the held documents of an application that is not stored, if that is certain."""
        if application.documents and error.reason not in UNAVAILABLE_REASONS:
            with suppress(DomainError):
                await self._documents.settle([application.id], are_stored=False)

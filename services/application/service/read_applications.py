"""Reading applications, and the documents that were sent with them."""

from chassis.call_context import Principal
from chassis.clock import Clock
from chassis.errors import DomainError, not_found
from services.application.domain import moves
from services.application.domain.events import with_events
from services.application.domain.looks import SeenPart, look_at
from services.application.domain.model import (
    Application,
    ApplicationActorKind,
    ApplicationPolicy,
    SentDocumentLink,
)
from services.application.repository import ApplicationLookRepository, ApplicationRepository
from services.application.service.access import actor_of_principal, read_application
from services.application.service.ports import DocumentDirectory


class ReadApplications:
    """A student's own applications, and those to a company's listings."""

    def __init__(
        self,
        repository: ApplicationRepository,
        looks: ApplicationLookRepository,
        documents: DocumentDirectory,
        clock: Clock,
        policy: ApplicationPolicy,
    ) -> None:
        self._repository = repository
        self._looks = looks
        self._documents = documents
        self._clock = clock
        self._policy = policy

    async def open_application(self, application_id: str, principal: Principal) -> Application:
        """Return one application.

        The company's first view moves it to IN_REVIEW; a VIEWER's view moves nothing. Each view of a company
        is on its way to the student's access log before the answer.
        """
        application = await read_application(self._repository, application_id, principal)
        actor = actor_of_principal(principal)
        if actor.kind is ApplicationActorKind.STUDENT:
            return application
        now = self._clock.now()
        decide = with_events(lambda seen: moves.start_review(seen, actor, now, self._policy))
        await self._record_look(application, SeenPart.APPLICATION, principal)
        return await self._repository.update(application.id, decide, known=application)

    async def open_document(
        self, application_id: str, document_id: str, principal: Principal
    ) -> SentDocumentLink:
        """Return the address of a document in the version that was sent.

        Raises APPLICATION_NOT_FOUND, DOCUMENT_NOT_FOUND for one that was not, and DOCUMENT_WITHHELD for the
        company while it reviews blind.
        """
        application = await read_application(self._repository, application_id, principal)
        if application.is_student_hidden and principal.kind != "STUDENT":
            raise DomainError(
                "DOCUMENT_WITHHELD",
                "This listing is reviewed blind: invite the applicant to an interview to see the documents.",
            )
        if application.find_document(document_id) is None:
            raise not_found("DOCUMENT_NOT_FOUND", "document", document_id)
        await self._record_look(application, SeenPart.DOCUMENT, principal)
        return await self._documents.find_link(application.id, document_id)

    async def _record_look(self, application: Application, part: SeenPart, principal: Principal) -> None:
        """Record a company's look for the student's access log; students look at their own."""
        if principal.kind != "STUDENT":
            now = self._clock.now()
            await self._looks.record(look_at(application, part, principal.id, principal.role, now))

    async def list_of_student(
        self, principal: Principal, after_id: str | None, limit: int
    ) -> list[Application]:
        """Return the student's applications, newest first, without the frozen profiles."""
        return await self._repository.list_of_student(principal.id, after_id, limit)

"""The use case that erases a student: applications end, and nothing in them says any more who it was."""

from typing import Final

from chassis.clock import Clock
from services.application.domain import moves, retention
from services.application.domain.events import with_events
from services.application.domain.model import (
    UNDECIDED_STATES,
    Application,
    ApplicationPolicy,
    ClosedReason,
)
from services.application.repository import ApplicationRepository
from services.application.service.ports import DocumentDirectory

PAGE_SIZE: Final = 100


class EraseStudent:
    """Erases all that the application service holds of a student, application by application.

    One on legal hold is kept as it is, but for its end; lifting the hold has the student erased once more.
    """

    def __init__(
        self,
        applications: ApplicationRepository,
        documents: DocumentDirectory,
        clock: Clock,
        policy: ApplicationPolicy,
    ) -> None:
        self._applications = applications
        self._documents = documents
        self._clock = clock
        self._policy = policy

    async def erase(self, user_id: str) -> None:
        """Erase a student. Raises UNAVAILABLE, and UNEXPECTED_STATE while an offer is made or accepted."""
        last_id: str | None = None
        while page := await self._applications.list_whole_of_student(user_id, last_id, PAGE_SIZE):
            for application in page:
                await self._erase_application(application)
            last_id = page[-1].id

    async def _erase_application(self, application: Application) -> None:
        """End it, make it anonymous, and let go of its documents; each step may find that it was done.

        The end is a change of its own, so that its notice goes out as that of any other end.
        """
        ended = await self._applications.update(application.id, with_events(self._closed), known=application)
        anonymous = await self._applications.update(ended.id, with_events(self._anonymised), known=ended)
        if anonymous.is_anonymous and anonymous.holds_documents:
            await self._documents.settle([anonymous.id], are_stored=False)
            await self._applications.update(anonymous.id, with_events(retention.without_documents))

    def _closed(self, application: Application) -> Application | None:
        if application.state not in UNDECIDED_STATES:
            return None
        now = self._clock.now()
        return moves.close_application(application, ClosedReason.ACCOUNT_DELETED, now, self._policy)

    def _anonymised(self, application: Application) -> Application | None:
        return retention.anonymised(application, self._clock.now())

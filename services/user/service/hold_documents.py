"""The use cases of versions that applications hold, for the service of applications."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from chassis.clock import Clock
from chassis.errors import not_found
from chassis.ids import slot_of
from services.user.domain.document_holds import HOLD_GRACE, DocumentHold, hold_documents
from services.user.domain.documents import StudentDocuments
from services.user.repository import DocumentHoldRepository

MAX_LISTED_HOLDS: Final = 64


class HoldDocuments:
    """Keeps what was sent with applications, as long as these are kept."""

    def __init__(self, repository: DocumentHoldRepository, clock: Clock) -> None:
        self._repository = repository
        self._clock = clock

    async def hold(self, application_id: str, student_id: str, document_ids: Sequence[str]) -> DocumentHold:
        """Hold the newest ready version of each of a student's documents; a repeat answers the same.

        Raises DOCUMENT_NOT_FOUND, also for an application that is not in the student's slot or holds others,
        DOCUMENT_NOT_READY, and DOCUMENT_QUOTA_EXCEEDED.
        """
        if slot_of(application_id) != slot_of(student_id):
            raise not_found("DOCUMENT_NOT_FOUND", "document", document_ids[0])

        def choose(documents: StudentDocuments, held_bytes: Mapping[str, int]) -> DocumentHold:
            now = self._clock.now()
            return hold_documents(
                application_id, documents.seen_at(now), document_ids, now, held_bytes=held_bytes
            )

        hold = await self._repository.hold(application_id, student_id, choose)
        if not hold.is_for(student_id, document_ids):
            raise not_found("DOCUMENT_NOT_FOUND", "document", document_ids[0])
        return hold

    async def settle(self, application_ids: Collection[str], *, are_stored: bool) -> None:
        """Keep the holds of applications that are stored, and give up those of all that never will be."""
        if are_stored:
            await self._repository.settle(application_ids)
            return
        for application_id in application_ids:
            await self._repository.release(application_id)

    async def list_unsettled(self) -> list[str]:
        """Return applications of which it is not known whether they were stored, though they should be."""
        before = self._clock.now() - HOLD_GRACE
        return (await self._repository.list_unsettled(before, limit=MAX_LISTED_HOLDS))[:MAX_LISTED_HOLDS]

"""The use cases of students' own documents, besides their contents."""

from collections.abc import Callable
from datetime import datetime

from chassis.aggregates import AggregateChange
from chassis.call_context import Principal
from chassis.clock import Clock
from chassis.errors import invalid_argument, stale_etag
from chassis.idempotency import IdempotentOperation
from chassis.ids import new_id, slot_of
from chassis.mongo.documents import format_etag
from services.user.domain.document_events import document_events
from services.user.domain.documents import (
    DocumentKind,
    StudentDocument,
    StudentDocuments,
    check_document,
)
from services.user.repository import DocumentRepository

ChangeDocuments = Callable[[StudentDocuments, datetime], StudentDocuments]


class ManageDocuments:
    """Begins, lists, changes and deletes documents of the caller."""

    def __init__(self, repository: DocumentRepository, clock: Clock) -> None:
        self._repository = repository
        self._clock = clock

    async def list_all(self, principal: Principal) -> list[StudentDocument]:
        """Return the caller's documents, newest first."""
        return list(reversed((await self._read(principal.id)).documents))

    async def get(self, principal: Principal, document_id: str) -> StudentDocument:
        """Return one of the caller's documents. Raises DOCUMENT_NOT_FOUND."""
        return (await self._read(principal.id)).find_or_raise(document_id)

    async def begin_document(
        self, principal: Principal, kind: DocumentKind, name: str, operation: IdempotentOperation | None
    ) -> StudentDocument:
        """Begin a document, the same one in each run of an operation. Raises DOCUMENT_QUOTA_EXCEEDED."""
        begun_at, seed = (
            (operation.started_at, operation.id.encode()) if operation else (self._clock.now(), None)
        )
        document_id = new_id("doc", slot_of(principal.id), at=begun_at, seed=seed)

        def begin(documents: StudentDocuments, now: datetime) -> StudentDocuments:
            if documents.find_document(document_id) is not None:
                return documents
            return documents.with_document(document_id, kind, name, now)

        return (await self._change(principal.id, begin)).find_or_raise(document_id)

    async def begin_version(self, principal: Principal, document_id: str) -> StudentDocument:
        """Begin a version of a document. Raises DOCUMENT_NOT_FOUND."""
        changed = await self._change(
            principal.id, lambda documents, now: documents.with_new_version(document_id, now)
        )
        return changed.find_or_raise(document_id)

    async def update(
        self,
        principal: Principal,
        document_id: str,
        edit: Callable[[StudentDocument], StudentDocument],
        *,
        expected_etag: str,
    ) -> StudentDocument:
        """Change name or default of a document.

        Raises DOCUMENT_NOT_FOUND, STALE_ETAG, or INVALID_FIELD with all violations.
        """

        def edit_checked(found: StudentDocument) -> StudentDocument:
            if expected_etag and expected_etag != format_etag(found.version):
                raise stale_etag("document", document_id)
            edited = edit(found)
            if violations := check_document(found, edited):
                raise invalid_argument(*violations)
            return edited

        changed = await self._change(
            principal.id, lambda documents, now: documents.with_edit(document_id, edit_checked, now)
        )
        return changed.find_or_raise(document_id)

    async def delete(
        self, principal: Principal, document_id: str, operation: IdempotentOperation | None
    ) -> None:
        """Delete a document; its contents follow. Raises DOCUMENT_NOT_FOUND."""

        def delete(documents: StudentDocuments, _: datetime) -> StudentDocuments:
            # An earlier run of the same operation may have deleted it.
            if operation is not None and operation.is_replay and documents.find_document(document_id) is None:
                return documents
            return documents.without_document(document_id)

        await self._change(principal.id, delete)

    async def _read(self, student_id: str) -> StudentDocuments:
        found = await self._repository.get(student_id) or StudentDocuments(student_id)
        return found.seen_at(self._clock.now())

    async def _change(self, student_id: str, change: ChangeDocuments) -> StudentDocuments:
        def decide(found: StudentDocuments | None) -> AggregateChange[StudentDocuments] | None:
            now = self._clock.now()
            before = found or StudentDocuments(student_id)
            return change_of_documents(before, change(before.seen_at(now), now))

        return await self._repository.upsert(student_id, decide) or StudentDocuments(student_id)


def change_of_documents(
    before: StudentDocuments, after: StudentDocuments
) -> AggregateChange[StudentDocuments] | None:
    """Return the change from one state to another with its events; None when they are the same."""
    if after == before:
        return None
    return AggregateChange(after.with_next_version(), document_events(before, after))

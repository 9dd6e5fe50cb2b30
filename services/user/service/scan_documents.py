"""The use cases of the worker: contents are checked, and deleted when nothing holds them."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final, Protocol

from chassis.aggregates import AggregateChange
from chassis.blobs import BlobNotFoundError, BlobStore
from chassis.clock import Clock
from chassis.errors import DomainError, unavailable
from chassis.observability.logging import get_logger
from services.user.domain.documents import (
    MAX_CONTENT_BYTES,
    DocumentState,
    DocumentVersion,
    QuarantineReason,
    StudentDocuments,
    student_of_blob_key,
)
from services.user.repository import DocumentHoldRepository, DocumentRepository
from services.user.service.manage_documents import change_of_documents

RESCAN_AFTER: Final = timedelta(minutes=10)
"""A content that is unchecked after this time is checked once more: its event may have been given up."""
MAX_STUDENTS_RESCANNED: Final = 50

_log = get_logger()


class ContentCheck(Protocol):
    """What knows whether a content is harmful; see `services.user.scanners`."""

    async def scan(self, content: bytes, media_type: str) -> QuarantineReason: ...


class ScanDocuments:
    """Checks contents that have come; while the scanner does not answer, they wait and are not given out."""

    def __init__(
        self,
        repository: DocumentRepository,
        holds: DocumentHoldRepository,
        blobs: BlobStore,
        scanner: ContentCheck,
        clock: Clock,
    ) -> None:
        self._repository = repository
        self._holds = holds
        self._blobs = blobs
        self._scanner = scanner
        self._clock = clock

    async def scan_version(self, student_id: str, document_id: str, number: int) -> None:
        """Check one version, unless that was done or it is gone. Raises UNAVAILABLE."""
        found = await self._repository.get(student_id)
        document = found.find_document(document_id) if found else None
        version = document.find_version(number) if document else None
        if version is None or version.state is not DocumentState.SCANNING:
            return
        reason = await self._find_reason(version)

        def decide(documents: StudentDocuments) -> AggregateChange[StudentDocuments] | None:
            after = documents.with_verdict(document_id, number, reason, self._clock.now())
            return change_of_documents(documents, after)

        await self._repository.update(student_id, decide)
        if reason is not QuarantineReason.UNSPECIFIED:
            _log.warning("document in quarantine", document=document_id, version=number, reason=reason.value)

    async def scan_overdue(self) -> None:
        """Check contents whose events were given up, on shards that answer."""
        before = self._clock.now() - RESCAN_AFTER
        for documents in await self._repository.list_waiting_for_scan(before, limit=MAX_STUDENTS_RESCANNED):
            for document, version in documents.all_versions():
                if version.state is DocumentState.SCANNING:
                    try:
                        await self.scan_version(documents.id, document.id, version.number)
                    except DomainError as error:
                        _log.warning("document not checked", document=document.id, error=str(error))

    async def delete_contents(self, student_id: str, blob_keys: Iterable[str]) -> None:
        """Delete those of a student's contents that no document and no application holds.

        One that neither holds is never held again, as holds are made of documents only. Raises UNAVAILABLE.
        """
        own = {key for key in blob_keys if student_of_blob_key(key) == student_id}
        documents = await self._repository.get(student_id)
        own -= documents.blob_keys() if documents else frozenset()
        for key in own - await self._holds.find_held_keys(student_id, own):
            await self._blobs.delete(key)

    async def _find_reason(self, version: DocumentVersion) -> QuarantineReason:
        try:
            parts = [part async for part in self._blobs.read(version.blob_key)]
        except BlobNotFoundError:
            # A disk may be missing for a while; `ic documents verify --write` gives a content up.
            raise unavailable("The content of a document") from None
        content = b"".join(parts)
        if len(content) != version.size_bytes or len(content) > MAX_CONTENT_BYTES:
            return QuarantineReason.MALFORMED
        return await self._scanner.scan(content, version.media_type)

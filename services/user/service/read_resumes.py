"""The use case of the worker that reads résumés."""

from chassis.aggregates import AggregateChange
from chassis.blobs import BlobNotFoundError, BlobStore
from chassis.clock import Clock
from chassis.errors import unavailable
from services.user.domain.documents import DocumentVersion, StudentDocument
from services.user.domain.profile_drafts import (
    DraftFailure,
    ProfileDraft,
    draft_to_read,
    resume_media_type,
)
from services.user.repository import DocumentRepository, ProfileDraftRepository
from services.user.service.resume_parser import ResumeParser


class ReadResumes:
    """Reads résumés that have passed their check; a repeat, or the rest of a broken run, changes nothing."""

    def __init__(
        self,
        documents: DocumentRepository,
        drafts: ProfileDraftRepository,
        blobs: BlobStore,
        parser: ResumeParser,
        clock: Clock,
    ) -> None:
        self._documents = documents
        self._drafts = drafts
        self._blobs = blobs
        self._parser = parser
        self._clock = clock

    async def read_version(self, student_id: str, document_id: str, number: int) -> None:
        """Read one version of a résumé and store its draft, unless that was done or it is gone.

        Raises UNAVAILABLE when the file cannot be had, or has to be tried again.
        """
        document = await self._find_document(student_id, document_id)
        if document is None:
            return
        version = document.find_version(number)
        waiting = draft_to_read(await self._drafts.get(document_id), document, student_id, number)
        if version is None or waiting is None:
            return
        draft = await self._read(document, version, student_id)
        if draft is not None and not draft.is_settled:
            raise unavailable("The reader of a résumé")

    async def _read(
        self, document: StudentDocument, version: DocumentVersion, student_id: str
    ) -> ProfileDraft | None:
        media_type = resume_media_type(version)
        parsing = None
        if media_type is not None:
            parsing = await self._parser.parse(await self._content_of(version), media_type)

        def decide(stored: ProfileDraft | None) -> AggregateChange[ProfileDraft] | None:
            waiting = draft_to_read(stored, document, student_id, version.number)
            if waiting is None:
                return None
            now = self._clock.now()
            if parsing is None:
                return AggregateChange(waiting.with_failure(DraftFailure.UNSUPPORTED, now))
            return AggregateChange(waiting.with_parsing(parsing, now))

        return await self._drafts.upsert(document.id, decide)

    async def _find_document(self, student_id: str, document_id: str) -> StudentDocument | None:
        found = await self._documents.get(student_id)
        return found.find_document(document_id) if found else None

    async def _content_of(self, version: DocumentVersion) -> bytes:
        try:
            return b"".join([part async for part in self._blobs.read(version.blob_key)])
        except BlobNotFoundError:
            # A disk may be missing for a while.
            raise unavailable("The content of a document") from None

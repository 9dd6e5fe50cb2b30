"""The use cases of documents' contents: links to them, uploads and downloads."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chassis.aggregates import AggregateChange
from chassis.blobs import BlobNotFoundError, BlobStore
from chassis.call_context import Principal
from chassis.clock import Clock
from chassis.concurrency.bulkhead import Bulkhead
from chassis.errors import UNAVAILABLE_REASONS, DomainError
from chassis.observability.logging import get_logger
from chassis.security.link_tickets import LinkTicketError, LinkTickets
from services.user.domain.document_holds import HeldVersion, held_version
from services.user.domain.documents import (
    DOWNLOAD_WINDOW,
    MAX_CONTENT_BYTES,
    DocumentLink,
    DocumentState,
    ReceivedContent,
    StudentDocument,
    StudentDocuments,
    blob_key_of,
    link_invalid,
)
from services.user.domain.file_types import find_media_type
from services.user.repository import DocumentHoldRepository, DocumentRepository
from services.user.service.manage_documents import change_of_documents
from services.user.service.opened_content import open_content

MAX_CONCURRENT_UPLOADS: Final = 16
"""Of each process: each holds its content, of 10 MB at most, in memory."""
MAX_DOWNLOAD_S: Final = 120.0
"""The time that a slow reader may take for one content."""
_UPLOAD: Final = "upload"
_DOWNLOAD: Final = "download"
_HELD_DOWNLOAD: Final = "download of a sent document"

_log = get_logger()


@dataclass(frozen=True, slots=True)
class DownloadedContent:
    """A content to download; `parts` have been opened."""

    name: str
    media_type: str
    size_bytes: int
    parts: AsyncIterator[bytes]


class TransferDocuments:
    """Takes and gives out contents by tickets, which stand in for their owner."""

    def __init__(
        self,
        repository: DocumentRepository,
        holds: DocumentHoldRepository,
        blobs: BlobStore,
        tickets: LinkTickets,
        clock: Clock,
    ) -> None:
        self._repository = repository
        self._holds = holds
        self._blobs = blobs
        self._tickets = tickets
        self._clock = clock
        self._uploads = Bulkhead("the upload of documents", MAX_CONCURRENT_UPLOADS, label="document-uploads")

    def upload_link(self, principal: Principal, document: StudentDocument) -> DocumentLink:
        """Return the link for the content of a document's newest version."""
        newest = document.versions[-1]
        return self._link(_UPLOAD, principal.id, document.id, newest.number, newest.upload_expire_time)

    async def download_link(self, principal: Principal, document_id: str, number: int) -> DocumentLink:
        """Return a link to a version of a document; for 0 to the newest that is ready.

        Raises DOCUMENT_NOT_FOUND, or DOCUMENT_NOT_READY.
        """
        found = await self._repository.get(principal.id) or StudentDocuments(principal.id)
        version = found.seen_at(self._clock.now()).find_or_raise(document_id).find_version(number)
        if version is None or version.state is not DocumentState.READY:
            raise DomainError("DOCUMENT_NOT_READY", f"{document_id} has no such version that is ready.")
        return self._link(
            _DOWNLOAD, principal.id, document_id, version.number, self._clock.now() + DOWNLOAD_WINDOW
        )

    async def held_download_link(self, application_id: str, document_id: str) -> DocumentLink:
        """Return a link to the version that an application holds. Raises DOCUMENT_NOT_FOUND."""
        held = (await self._holds.get_or_raise(application_id)).find_or_raise(document_id)
        expire_time = self._clock.now() + DOWNLOAD_WINDOW
        ticket = self._tickets.issue(_HELD_DOWNLOAD, (application_id, document_id), expire_time)
        return DocumentLink(document_id, held.number, ticket, expire_time)

    async def upload(self, document_id: str, ticket: str, content: bytes) -> StudentDocument:
        """Store the content of a version.

        Raises LINK_INVALID, PAYLOAD_TOO_LARGE, UNSUPPORTED_FILE, DOCUMENT_QUOTA_EXCEEDED, or OVERLOADED.
        """
        student_id, number = self._open(_UPLOAD, document_id, ticket)
        with self._uploads.acquire():
            key = blob_key_of(student_id, document_id, number, secrets.token_hex(8))
            received = await asyncio.to_thread(_inspect, content, key)
            # Refused, or known already, before anything is stored.
            found = await self._repository.get(student_id) or StudentDocuments(student_id)
            if found.with_content(document_id, number, received, self._clock.now()) is found:
                return found.find_or_raise(document_id)
            await self._blobs.put(key, _as_parts(content), max_bytes=MAX_CONTENT_BYTES)
            return await self._record(student_id, document_id, number, received)

    async def download(self, document_id: str, ticket: str) -> DownloadedContent:
        """Return the content that a ticket names. Raises LINK_INVALID, or DOCUMENT_NOT_FOUND."""
        version = await self._find_held(document_id, ticket) or await self._find_own(document_id, ticket)
        try:
            parts = await open_content(self._blobs.read(version.blob_key), max_s=MAX_DOWNLOAD_S)
        except BlobNotFoundError:
            _log.error("content of a document is missing", document=document_id, version=version.number)
            raise DomainError("DOCUMENT_NOT_FOUND", f"The content of {document_id} is missing.") from None
        return DownloadedContent(version.name, version.media_type, version.size_bytes, parts)

    async def _find_own(self, document_id: str, ticket: str) -> HeldVersion:
        """Return the version of the ticket that its student got."""
        student_id, number = self._open(_DOWNLOAD, document_id, ticket)
        found = await self._repository.get(student_id) or StudentDocuments(student_id)
        document = found.find_or_raise(document_id)
        version = document.find_version(number)
        if version is None or version.state is not DocumentState.READY:
            raise link_invalid()
        return held_version(document, version)

    async def _find_held(self, document_id: str, ticket: str) -> HeldVersion | None:
        """Return the version of a ticket for an application's document; None for any other ticket."""
        try:
            (application_id, held_id), _ = self._tickets.open(_HELD_DOWNLOAD, ticket, self._clock.now())
        except LinkTicketError:
            return None
        hold = await self._holds.get(str(application_id))
        if hold is None or held_id != document_id:
            raise link_invalid()
        return hold.find_or_raise(document_id)

    async def _record(
        self, student_id: str, document_id: str, number: int, received: ReceivedContent
    ) -> StudentDocument:
        """Record a stored content; one that the record refuses, or that it has already, is deleted.

        It stays when the outcome is unknown: then `ic documents verify` finds it.
        """

        def decide(found: StudentDocuments) -> AggregateChange[StudentDocuments] | None:
            after = found.with_content(document_id, number, received, self._clock.now())
            return change_of_documents(found, after)

        try:
            documents = await self._repository.update(student_id, decide)
        except DomainError as error:
            if error.reason not in UNAVAILABLE_REASONS:
                await self._blobs.delete(received.blob_key)
            raise
        if received.blob_key not in documents.blob_keys():
            await self._blobs.delete(received.blob_key)
        return documents.find_or_raise(document_id)

    def _link(
        self, purpose: str, student_id: str, document_id: str, number: int, expire_time: datetime
    ) -> DocumentLink:
        ticket = self._tickets.issue(purpose, (student_id, document_id, number), expire_time)
        return DocumentLink(document_id, number, ticket, expire_time)

    def _open(self, purpose: str, document_id: str, ticket: str) -> tuple[str, int]:
        """Return the student and the version of a ticket. Raises LINK_INVALID."""
        try:
            (student_id, ticket_document_id, number), _ = self._tickets.open(
                purpose, ticket, self._clock.now()
            )
        except LinkTicketError:
            raise link_invalid() from None
        if ticket_document_id != document_id:
            raise link_invalid()
        return str(student_id), int(number)


def _inspect(content: bytes, blob_key: str) -> ReceivedContent:
    """Return the record of a content. Raises PAYLOAD_TOO_LARGE, or UNSUPPORTED_FILE."""
    if len(content) > MAX_CONTENT_BYTES:
        raise DomainError(
            "PAYLOAD_TOO_LARGE", f"The file has {len(content)} bytes; at most {MAX_CONTENT_BYTES} are kept."
        )
    media_type = find_media_type(content)
    if media_type is None:
        raise DomainError(
            "UNSUPPORTED_FILE",
            "The file's content is not that of a PDF, DOCX, ODT, text in UTF-8, PNG or JPEG file.",
        )
    return ReceivedContent(blob_key, media_type.value, len(content), hashlib.sha256(content).hexdigest())


async def _as_parts(content: bytes) -> AsyncIterator[bytes]:
    yield content

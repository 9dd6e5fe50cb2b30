"""The operator's check that each record of a content has its blob, and each blob its record."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from chassis.aggregates import AggregateChange
from chassis.blobs import BlobInfo, BlobStore
from chassis.clock import Clock
from services.user.domain.document_holds import DocumentHold
from services.user.domain.documents import (
    BLOB_FOLDER,
    StudentDocuments,
    student_of_blob_key,
)
from services.user.repository import DocumentHoldRepository, DocumentRepository
from services.user.service.manage_documents import change_of_documents

GRACE: Final = timedelta(hours=1)
"""A younger blob may belong to an upload whose record comes."""
PAGE_SIZE: Final = 500
RECORDS, BLOBS, PARTIAL_CONTENTS = "records", "blobs", "interrupted uploads"
VerifyProgress = Callable[[str, int, int], None]
"""Receives progress: the kind, the number of further ones, and how many of these were wrong."""


class EmptyBlobStoreError(Exception):
    """The store holds no content at all though records name some: it is another one, or a disk is missing."""


class VerifyDocuments:
    """Compares records with blobs while both are in use; mends what differs if it may write.

    A content that is gone is recorded as lost, which its owner sees; a blob that no record names is deleted.
    One that is gone and that only applications hold is reported each time: nothing can stand in for it.
    """

    def __init__(
        self,
        repository: DocumentRepository,
        holds: DocumentHoldRepository,
        blobs: BlobStore,
        clock: Clock,
        *,
        write: bool,
    ) -> None:
        self._repository = repository
        self._holds = holds
        self._blobs = blobs
        self._clock = clock
        self._write = write
        self._is_empty = False

    async def verify(self, progress: VerifyProgress) -> None:
        """Go through all records, of documents and of what applications hold, then through all blobs.

        Raises EmptyBlobStoreError, and UNAVAILABLE when a store does not answer.
        """
        # It also fails for a bucket that is missing, of which single contents only seem to be.
        self._is_empty = not await self._blobs.list_page(BLOB_FOLDER, limit=1)
        async for page in self._repository.iterate_pages():
            for documents in page:
                await self._verify_records(documents, progress)
        async for page_of_holds in self._holds.iterate_pages():
            for hold in page_of_holds:
                await self._verify_hold(hold, progress)
        after = ""
        while page_of_blobs := await self._blobs.list_page(BLOB_FOLDER, after=after, limit=PAGE_SIZE):
            for blob in page_of_blobs:
                progress(BLOBS, 1, await self._verify_blob(blob))
            after = page_of_blobs[-1].key
        if self._write:
            removed = await self._blobs.remove_partial_contents(self._clock.now() - GRACE)
            progress(PARTIAL_CONTENTS, removed, removed)

    async def _verify_records(self, documents: StudentDocuments, progress: VerifyProgress) -> None:
        for document, version in documents.all_versions():
            if version.blob_key:
                is_lost = await self._is_lost(version.blob_key)
                if is_lost and self._write:
                    await self._record_loss(documents.id, document.id, version.blob_key)
                progress(RECORDS, 1, int(is_lost))

    async def _verify_hold(self, hold: DocumentHold, progress: VerifyProgress) -> None:
        """Look for contents of which the owner has no record any more."""
        owner = await self._repository.get(hold.student_id)
        own_keys = owner.blob_keys() if owner else frozenset[str]()
        for key in hold.blob_keys():
            if key not in own_keys:
                is_lost = await self._is_lost(key)
                # The hold may have been given up since, and its content with it.
                is_lost = is_lost and bool(await self._holds.find_held_keys(hold.student_id, [key]))
                progress(RECORDS, 1, int(is_lost))

    async def _is_lost(self, blob_key: str) -> bool:
        """Return whether a content is missing. Raises EmptyBlobStoreError when all are."""
        is_lost = await self._blobs.head(blob_key) is None
        if is_lost and self._is_empty:
            raise EmptyBlobStoreError
        return is_lost

    async def _record_loss(self, student_id: str, document_id: str, blob_key: str) -> None:
        def decide(found: StudentDocuments) -> AggregateChange[StudentDocuments] | None:
            return change_of_documents(
                found, found.with_lost_content(document_id, blob_key, self._clock.now())
            )

        await self._repository.update(student_id, decide)

    async def _verify_blob(self, blob: BlobInfo) -> int:
        """Return 1 for a blob that belongs to no record, and delete it if that may be."""
        if blob.modify_time > self._clock.now() - GRACE:
            return 0
        student_id = student_of_blob_key(blob.key)
        owner = await self._repository.get(student_id)
        if owner is not None and blob.key in owner.blob_keys():
            return 0
        if await self._holds.find_held_keys(student_id, [blob.key]):
            return 0
        if self._write:
            await self._blobs.delete(blob.key)
        return 1

"""Versions of documents that an application holds: they stay, whatever becomes of their documents.

A submit holds the versions first and stores its application then. So an application never names a version
that is gone; a hold whose application was never stored is found by its age, and given up.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from chassis.errors import DomainError, not_found
from services.user.domain.documents import (
    MAX_TOTAL_BYTES,
    DocumentKind,
    DocumentVersion,
    StudentDocument,
    StudentDocuments,
)

HOLD_GRACE: Final = timedelta(hours=1)
"""Far longer than a submit can take: an application that is missing after it will never be there."""
MAX_HELD_BYTES: Final = 2 * MAX_TOTAL_BYTES
"""Of all contents that the applications of one student hold, each counted once."""


@dataclass(frozen=True, slots=True)
class HeldVersion:
    """One version as it was when the student applied."""

    document_id: str
    number: int
    kind: DocumentKind
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    blob_key: str


@dataclass(frozen=True, slots=True)
class DocumentHold:
    """The versions that one application holds; `id` is the application's, in its student's slot.

    `unsettled_since` is when they were held, until the application is known to be stored.
    """

    id: str
    student_id: str
    versions: tuple[HeldVersion, ...]
    unsettled_since: datetime | None
    version: int = 1

    def find_or_raise(self, document_id: str) -> HeldVersion:
        """Return the held version of a document. Raises DOCUMENT_NOT_FOUND."""
        found = next((each for each in self.versions if each.document_id == document_id), None)
        if found is None:
            raise not_found("DOCUMENT_NOT_FOUND", "document", document_id)
        return found

    def is_for(self, student_id: str, document_ids: Sequence[str]) -> bool:
        """Return whether it holds these documents of this student."""
        held = [each.document_id for each in self.versions]
        return self.student_id == student_id and held == list(dict.fromkeys(document_ids))

    def blob_keys(self) -> tuple[str, ...]:
        """Return the keys of the held contents."""
        return tuple(sorted({each.blob_key for each in self.versions}))


def hold_documents(
    application_id: str,
    documents: StudentDocuments,
    document_ids: Iterable[str],
    now: datetime,
    *,
    held_bytes: Mapping[str, int],
) -> DocumentHold:
    """Return the hold of each document's newest version that is ready.

    `held_bytes` has the sizes of the contents that the student's applications hold, by key.

    Raises DOCUMENT_NOT_FOUND, also for another student's, DOCUMENT_NOT_READY, and DOCUMENT_QUOTA_EXCEEDED.
    """
    found = [_newest_ready(documents.find_or_raise(each)) for each in dict.fromkeys(document_ids)]
    _check_held_bytes(held_bytes, {each.blob_key: each.size_bytes for each in found})
    return DocumentHold(application_id, documents.id, tuple(found), now)


def held_version(document: StudentDocument, version: DocumentVersion) -> HeldVersion:
    """Return a version of a document as it is now."""
    return HeldVersion(
        document.id,
        version.number,
        document.kind,
        document.name,
        version.media_type,
        version.size_bytes,
        version.sha256,
        version.blob_key,
    )


def _newest_ready(document: StudentDocument) -> HeldVersion:
    version = document.find_version(0)
    if version is None:
        raise DomainError(
            "DOCUMENT_NOT_READY",
            f"{document.id} cannot be sent: it is {document.state}, and no version of it is ready.",
            resource=("document", document.id),
        )
    return held_version(document, version)


def _check_held_bytes(held: Mapping[str, int], wanted: Mapping[str, int]) -> None:
    """Raise DOCUMENT_QUOTA_EXCEEDED when contents that are not held yet are too many."""
    if wanted.keys() <= held.keys() or sum({**held, **wanted}.values()) <= MAX_HELD_BYTES:
        return
    raise DomainError(
        "DOCUMENT_QUOTA_EXCEEDED",
        f"Your applications hold {sum(held.values()) >> 20} MB of documents, and at most "
        f"{MAX_HELD_BYTES >> 20} MB are kept; send versions that you have sent before.",
    )

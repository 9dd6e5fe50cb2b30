"""A student's documents and their rules.

All documents of one student are one aggregate: they are few, and quotas and defaults are rules about all.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from chassis.errors import DomainError, Violation, not_found
from chassis.text import is_blank

MAX_DOCUMENTS: Final = 20
MAX_TOTAL_BYTES: Final = 100 * 1024 * 1024
MAX_CONTENT_BYTES: Final = 10 * 1024 * 1024
MAX_KEPT_VERSIONS: Final = 5
"""Versions of one document with a content; a newer one replaces the oldest."""
UPLOAD_WINDOW: Final = timedelta(minutes=15)
"""The time for sending a content after its version was begun."""
DOWNLOAD_WINDOW: Final = timedelta(minutes=5)
BLOB_FOLDER: Final = "documents"
"""The first segment of the keys of all contents."""


class DocumentKind(StrEnum):
    UNSPECIFIED = "UNSPECIFIED"
    RESUME = "RESUME"
    COVER_LETTER = "COVER_LETTER"
    TRANSCRIPT = "TRANSCRIPT"
    OTHER = "OTHER"


class DocumentState(StrEnum):
    UNSPECIFIED = "UNSPECIFIED"
    UPLOADING = "UPLOADING"
    SCANNING = "SCANNING"
    READY = "READY"
    QUARANTINED = "QUARANTINED"


class QuarantineReason(StrEnum):
    """The reason for which a version cannot be downloaded; UNSPECIFIED for one that can."""

    UNSPECIFIED = "UNSPECIFIED"
    MALWARE = "MALWARE"
    ACTIVE_CONTENT = "ACTIVE_CONTENT"
    ENCRYPTED = "ENCRYPTED"
    MALFORMED = "MALFORMED"
    CONTENT_LOST = "CONTENT_LOST"


DOCUMENT_TRANSITIONS: Final[Mapping[DocumentState, frozenset[DocumentState]]] = {
    DocumentState.UPLOADING: frozenset({DocumentState.SCANNING}),
    DocumentState.SCANNING: frozenset({DocumentState.READY, DocumentState.QUARANTINED}),
    DocumentState.READY: frozenset({DocumentState.QUARANTINED}),
    DocumentState.QUARANTINED: frozenset(),
}
"""The states that follow a version's state."""


@dataclass(frozen=True, slots=True)
class ReceivedContent:
    """A content that was stored under `blob_key`; `sha256` in hexadecimal digits."""

    blob_key: str
    media_type: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class DocumentVersion:
    """One content of a document, or the place of one that has not come yet."""

    number: int
    create_time: datetime
    upload_expire_time: datetime
    state: DocumentState = DocumentState.UPLOADING
    blob_key: str = ""
    media_type: str = ""
    size_bytes: int = 0
    sha256: str = ""
    receive_time: datetime | None = None
    quarantine_reason: QuarantineReason = QuarantineReason.UNSPECIFIED

    def with_content(self, content: ReceivedContent, now: datetime) -> "DocumentVersion":
        """Return the version with its content, which has to be checked."""
        received = replace(
            self,
            blob_key=content.blob_key,
            media_type=content.media_type,
            size_bytes=content.size_bytes,
            sha256=content.sha256,
            receive_time=now,
        )
        return received._in_state(DocumentState.SCANNING)

    def with_verdict(self, reason: QuarantineReason) -> "DocumentVersion":
        """Return the version after its check: ready, or in quarantine for a reason."""
        if reason is QuarantineReason.UNSPECIFIED:
            return self._in_state(DocumentState.READY)
        return replace(self._in_state(DocumentState.QUARANTINED), quarantine_reason=reason)

    def without_content(self) -> "DocumentVersion":
        """Return the version after its content was lost; one in quarantine stays there for its reason."""
        is_quarantined = self.state is DocumentState.QUARANTINED
        lost = self if is_quarantined else self.with_verdict(QuarantineReason.CONTENT_LOST)
        return replace(lost, blob_key="", size_bytes=0, sha256="")

    def _in_state(self, state: DocumentState) -> "DocumentVersion":
        if state not in DOCUMENT_TRANSITIONS[self.state]:
            raise ValueError(f"a version that is {self.state} does not become {state}")
        return replace(self, state=state)

    def is_waiting_at(self, now: datetime) -> bool:
        """Return whether its content can come now."""
        return self.state is DocumentState.UPLOADING and now < self.upload_expire_time

    def is_abandoned_at(self, now: datetime) -> bool:
        """Return whether its content has not come in time."""
        return self.state is DocumentState.UPLOADING and now >= self.upload_expire_time


@dataclass(frozen=True, slots=True)
class StudentDocument:
    """A document with its versions, oldest first; `versions_begun` includes those that are gone."""

    id: str
    kind: DocumentKind
    name: str
    create_time: datetime
    update_time: datetime
    versions: tuple[DocumentVersion, ...] = ()
    versions_begun: int = 0
    is_default: bool = False
    version: int = 1

    @property
    def state(self) -> DocumentState:
        """The state of the newest version."""
        return self.versions[-1].state

    def find_version(self, number: int) -> DocumentVersion | None:
        """Return the version of that number; for 0 the newest that is ready."""
        newest_first = reversed(self.versions)
        if number == 0:
            return next((each for each in newest_first if each.state is DocumentState.READY), None)
        return next((each for each in newest_first if each.number == number), None)

    def with_new_version(self, now: datetime) -> "StudentDocument":
        """Return the document with one more version, in place of one that still waited for its content."""
        number = self.versions_begun + 1
        begun = DocumentVersion(number, now, now + UPLOAD_WINDOW)
        kept = tuple(each for each in self.versions if each.state is not DocumentState.UPLOADING)
        return replace(self, versions=(*kept, begun), versions_begun=number)

    def with_changed_version(self, changed: DocumentVersion) -> "StudentDocument":
        """Return the document with a version of the same number replaced."""
        versions = (changed if each.number == changed.number else each for each in self.versions)
        return replace(self, versions=tuple(versions))

    def with_newest_versions(self) -> "StudentDocument":
        """Return the document without the oldest versions beyond the number that is kept."""
        received = [each for each in self.versions if each.state is not DocumentState.UPLOADING]
        dropped = {each.number for each in received[:-MAX_KEPT_VERSIONS]}
        return replace(self, versions=tuple(each for each in self.versions if each.number not in dropped))

    def without_abandoned_versions(self, now: datetime) -> "StudentDocument":
        """Return the document without versions whose content has not come in time."""
        kept = tuple(each for each in self.versions if not each.is_abandoned_at(now))
        return self if len(kept) == len(self.versions) else replace(self, versions=kept)


@dataclass(frozen=True, slots=True)
class StudentDocuments:
    """All documents of one student, in the order in which they were begun; `id` is the student's.

    Version 0 has not been stored yet. `scan_pending_since` is the time when the oldest content came that has
    not been checked.
    """

    id: str
    documents: tuple[StudentDocument, ...] = ()
    scan_pending_since: datetime | None = None
    version: int = 0

    @property
    def total_bytes(self) -> int:
        """The size of all contents."""
        return sum(each.size_bytes for _, each in self.all_versions())

    def all_versions(self) -> Iterator[tuple[StudentDocument, DocumentVersion]]:
        """Yield every version with its document."""
        return ((document, each) for document in self.documents for each in document.versions)

    def blob_keys(self) -> frozenset[str]:
        """Return the keys of all contents."""
        return frozenset(each.blob_key for _, each in self.all_versions() if each.blob_key)

    def document_ids(self) -> frozenset[str]:
        """Return the IDs of all documents."""
        return frozenset(each.id for each in self.documents)

    def find_document(self, document_id: str) -> StudentDocument | None:
        """Return the document of that ID, or None."""
        return next((each for each in self.documents if each.id == document_id), None)

    def find_or_raise(self, document_id: str) -> StudentDocument:
        """Return the document of that ID. Raises DOCUMENT_NOT_FOUND."""
        found = self.find_document(document_id)
        if found is None:
            raise not_found("DOCUMENT_NOT_FOUND", "document", document_id)
        return found

    def seen_at(self, now: datetime) -> "StudentDocuments":
        """Return the documents without what has been abandoned by now; the same object when nothing was."""
        kept = tuple(each.without_abandoned_versions(now) for each in self.documents)
        kept = tuple(each for each in kept if each.versions)
        return self if kept == self.documents else replace(self, documents=_with_defaults(kept))

    def with_document(
        self, document_id: str, kind: DocumentKind, name: str, now: datetime
    ) -> "StudentDocuments":
        """Begin a document, the default of its kind if it is the first. Raises DOCUMENT_QUOTA_EXCEEDED."""
        if len(self.documents) >= MAX_DOCUMENTS:
            raise quota_exceeded(f"You have {MAX_DOCUMENTS} documents, the most that are kept.")
        begun = StudentDocument(document_id, kind, name, now, now).with_new_version(now)
        return replace(self, documents=_with_defaults((*self.documents, begun)))

    def with_new_version(self, document_id: str, now: datetime) -> "StudentDocuments":
        """Begin a version. Raises DOCUMENT_NOT_FOUND."""
        return self._with_changed(document_id, lambda found: found.with_new_version(now), now)

    def with_content(
        self, document_id: str, number: int, content: ReceivedContent, now: datetime
    ) -> "StudentDocuments":
        """Record the content of a version; the same object when it was recorded already.

        Raises LINK_INVALID when the version does not wait for one, and DOCUMENT_QUOTA_EXCEEDED.
        """
        found, version = self._version_to_fill(document_id, number)
        if version.sha256 == content.sha256 and version.state is not DocumentState.UPLOADING:
            return self
        if not version.is_waiting_at(now):
            raise link_invalid()
        if self.total_bytes + content.size_bytes > MAX_TOTAL_BYTES:
            raise quota_exceeded(
                f"Your documents hold {_megabytes(self.total_bytes)} MB, and this one has "
                f"{_megabytes(content.size_bytes)} MB: at most {_megabytes(MAX_TOTAL_BYTES)} MB are kept."
            )
        received = found.with_changed_version(version.with_content(content, now)).with_newest_versions()
        return self._with_changed(document_id, lambda _: received, now)

    def with_verdict(
        self, document_id: str, number: int, reason: QuarantineReason, now: datetime
    ) -> "StudentDocuments":
        """Record the result of a check; the same object when the version does not wait for one any more."""
        found = self.find_document(document_id)
        version = found.find_version(number) if found else None
        if found is None or version is None or version.state is not DocumentState.SCANNING:
            return self
        checked = found.with_changed_version(version.with_verdict(reason))
        return self._with_changed(document_id, lambda _: checked, now)

    def with_lost_content(self, document_id: str, blob_key: str, now: datetime) -> "StudentDocuments":
        """Record that a content is gone; the same object when no version holds it any more."""
        found = self.find_document(document_id)
        holders = [each for each in found.versions if each.blob_key == blob_key != ""] if found else []
        if found is None or not holders:
            return self
        [version] = holders
        lost = found.with_changed_version(version.without_content())
        return self._with_changed(document_id, lambda _: lost, now)

    def with_edit(
        self, document_id: str, edit: Callable[[StudentDocument], StudentDocument], now: datetime
    ) -> "StudentDocuments":
        """Change name and default of a document; the same object when nothing changes.

        Raises DOCUMENT_NOT_FOUND.
        """
        found = self.find_or_raise(document_id)
        edited = edit(found)
        if edited == found:
            return self
        changed = self._with_changed(document_id, lambda _: edited, now)
        if not edited.is_default or found.is_default:
            return changed
        others = (
            replace(each, is_default=False) if each.kind is found.kind and each.id != document_id else each
            for each in changed.documents
        )
        return replace(changed, documents=tuple(others))

    def without_document(self, document_id: str) -> "StudentDocuments":
        """Delete a document. Raises DOCUMENT_NOT_FOUND."""
        self.find_or_raise(document_id)
        kept = tuple(each for each in self.documents if each.id != document_id)
        return replace(self, documents=_with_defaults(kept))

    def with_next_version(self) -> "StudentDocuments":
        """Return the next version, as it is stored."""
        waiting = [
            each.receive_time
            for _, each in self.all_versions()
            if each.state is DocumentState.SCANNING and each.receive_time
        ]
        return replace(self, scan_pending_since=min(waiting, default=None), version=self.version + 1)

    def _version_to_fill(self, document_id: str, number: int) -> tuple[StudentDocument, DocumentVersion]:
        found = self.find_document(document_id)
        version = found.find_version(number) if found and number else None
        if found is None or version is None:
            raise link_invalid()
        return found, version

    def _with_changed(
        self, document_id: str, change: Callable[[StudentDocument], StudentDocument], now: datetime
    ) -> "StudentDocuments":
        found = self.find_or_raise(document_id)
        changed = replace(change(found), version=found.version + 1, update_time=now)
        documents = (changed if each.id == document_id else each for each in self.documents)
        return replace(self, documents=tuple(documents))


@dataclass(frozen=True, slots=True)
class DocumentLink:
    """A ticket for a link to one version, and when it expires."""

    document_id: str
    version: int
    ticket: str
    expire_time: datetime


def check_document(before: StudentDocument, after: StudentDocument) -> tuple[Violation, ...]:
    """Return the violations of a changed document, beyond the contract's rules."""
    violations = []
    if is_blank(after.name):
        violations.append(Violation("name", "cannot be empty"))
    if before.is_default and not after.is_default:
        violations.append(Violation("isDefault", "cannot be unset: make another document the default"))
    return tuple(violations)


def blob_key_of(student_id: str, document_id: str, number: int, unique: str) -> str:
    """Return the key of a content; `unique` tells two uploads of one version apart."""
    return f"{blob_folder_of(student_id)}/{document_id}/{number}_{unique}"


def blob_folder_of(student_id: str) -> str:
    """Return what the keys of a student's contents begin with, before a slash."""
    return f"{BLOB_FOLDER}/{student_id}"


def student_of_blob_key(key: str) -> str:
    """Return the student to whom a content belongs; "" for a key of something else."""
    folder, _, rest = key.partition("/")
    return rest.partition("/")[0] if folder == BLOB_FOLDER else ""


def link_invalid() -> DomainError:
    """Return LINK_INVALID: a link that leads nowhere, or not any more."""
    return DomainError("LINK_INVALID", "This link is not valid, has expired or was used; ask for a new one.")


def quota_exceeded(message: str) -> DomainError:
    """Return DOCUMENT_QUOTA_EXCEEDED, and the way out of it."""
    return DomainError("DOCUMENT_QUOTA_EXCEEDED", f"{message} Delete documents that you do not need.")


def _with_defaults(documents: tuple[StudentDocument, ...]) -> tuple[StudentDocument, ...]:
    """Return the documents with one default of each kind; the newest one where the default is gone."""
    defaults = {each.kind: each.id for each in documents}
    defaults |= {each.kind: each.id for each in documents if each.is_default}
    return tuple(
        replace(each, is_default=True) if not each.is_default and defaults[each.kind] == each.id else each
        for each in documents
    )


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1024 / 1024:.1f}".removesuffix(".0")

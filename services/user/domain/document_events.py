"""The events of documents, by which this service's worker follows them."""

from collections.abc import Iterator
from dataclasses import dataclass

from services.user.domain.documents import DocumentKind, DocumentState, StudentDocuments


@dataclass(frozen=True, slots=True)
class DocumentContentWasReceived:
    """A content has come, and waits for its check."""

    user_id: str
    document_id: str
    version: int


@dataclass(frozen=True, slots=True)
class DocumentContentsWereReleased:
    """Contents that no version holds any more."""

    user_id: str
    blob_keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ResumeBecameReady:
    """A version of a résumé has passed its check, and can be read."""

    user_id: str
    document_id: str
    version: int


DocumentEvent = DocumentContentWasReceived | DocumentContentsWereReleased | ResumeBecameReady


def document_events(before: StudentDocuments, after: StudentDocuments) -> tuple[DocumentEvent, ...]:
    """Return the events of a change."""
    return tuple(_document_events(before, after))


def _document_events(before: StudentDocuments, after: StudentDocuments) -> Iterator[DocumentEvent]:
    known = before.blob_keys()
    unchecked = {each.blob_key for _, each in before.all_versions() if each.state is DocumentState.SCANNING}
    for document, version in after.all_versions():
        if version.state is DocumentState.SCANNING and version.blob_key not in known:
            yield DocumentContentWasReceived(after.id, document.id, version.number)
        is_resume = document.kind is DocumentKind.RESUME
        if is_resume and version.state is DocumentState.READY and version.blob_key in unchecked:
            yield ResumeBecameReady(after.id, document.id, version.number)
    if released := known - after.blob_keys():
        yield DocumentContentsWereReleased(after.id, tuple(sorted(released)))

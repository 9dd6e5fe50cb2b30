"""Drafts of profiles: what was read from a résumé, for its owner to confirm.

A draft belongs to one version of a document and is stored under the document's ID. Nothing of it is in the
profile before it is confirmed, which happens once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from chassis.errors import DomainError
from services.user.domain.documents import (
    DocumentKind,
    DocumentState,
    DocumentVersion,
    StudentDocument,
)
from services.user.domain.profile import Profile, Student
from services.user.domain.resumes import ResumeMediaType, ResumeOutcome, ResumeParsing
from services.user.domain.resumes.student_draft import FieldConfidence, draft_profile

MAX_READ_ATTEMPTS: Final = 3
"""A file that takes too long is read this many times: the machine may have been busy."""
READ_AGAIN_AFTER: Final = timedelta(minutes=10)
"""A résumé that has not been read after this time is read once more: its event may have been given up."""


class ProfileDraftState(StrEnum):
    UNSPECIFIED = "UNSPECIFIED"
    PENDING = "PENDING"
    READY = "READY"
    FAILED = "FAILED"
    CONFIRMED = "CONFIRMED"
    DISCARDED = "DISCARDED"


class DraftFailure(StrEnum):
    """Why there is no draft; UNSPECIFIED where there is one, or may be soon."""

    UNSPECIFIED = "UNSPECIFIED"
    UNSUPPORTED = "UNSUPPORTED"
    UNREADABLE = "UNREADABLE"
    ENCRYPTED = "ENCRYPTED"
    TOO_LARGE = "TOO_LARGE"
    TIMED_OUT = "TIMED_OUT"
    NO_TEXT = "NO_TEXT"
    QUARANTINED = "QUARANTINED"


FAILURE_WORDS: Final[Mapping[DraftFailure, str]] = {
    DraftFailure.UNSPECIFIED: "",
    DraftFailure.UNSUPPORTED: "Only PDF and Word documents (DOCX) are read; upload the résumé as one.",
    DraftFailure.UNREADABLE: "The file is damaged, or cannot be read; save it once more and upload that.",
    DraftFailure.ENCRYPTED: "The file wants a password; save it without one.",
    DraftFailure.TOO_LARGE: "The file holds far more than a résumé; upload one of a few pages.",
    DraftFailure.TIMED_OUT: "Reading the file took too long; upload one that is simpler.",
    DraftFailure.NO_TEXT: "The file holds pictures and no text, as a scan does; upload one with text.",
    DraftFailure.QUARANTINED: "The file is in quarantine; its document says why.",
}
"""What the student is shown, and can do."""

DRAFT_TRANSITIONS: Final[Mapping[ProfileDraftState, frozenset[ProfileDraftState]]] = {
    ProfileDraftState.PENDING: frozenset(
        {ProfileDraftState.PENDING, ProfileDraftState.READY, ProfileDraftState.FAILED}
    ),
    ProfileDraftState.READY: frozenset({ProfileDraftState.CONFIRMED, ProfileDraftState.DISCARDED}),
    ProfileDraftState.FAILED: frozenset({ProfileDraftState.DISCARDED}),
    ProfileDraftState.CONFIRMED: frozenset({ProfileDraftState.DISCARDED}),
    ProfileDraftState.DISCARDED: frozenset(),
}
"""The states that follow a draft's state, as long as the document has no newer version."""


@dataclass(frozen=True, slots=True)
class ProfileDraft:
    """What one version of a résumé says for a profile; `id` is the document's.

    `attempts` counts how often the file was read, `asked_time` is when it was last asked to be read again.
    Version 0 has not been stored yet.
    """

    id: str
    student_id: str
    document_version: int
    state: ProfileDraftState = ProfileDraftState.PENDING
    failure: DraftFailure = DraftFailure.UNSPECIFIED
    name: str = ""
    student: Student | None = None
    confidences: tuple[FieldConfidence, ...] = ()
    read_time: datetime | None = None
    attempts: int = 0
    version: int = 0
    asked_time: datetime | None = None

    @property
    def is_settled(self) -> bool:
        """Whether its file has been read, or will not be."""
        return self.state is not ProfileDraftState.PENDING

    @property
    def is_confirmed(self) -> bool:
        """Whether it is in the profile."""
        return self.state is ProfileDraftState.CONFIRMED

    def with_parsing(self, parsing: ResumeParsing, now: datetime) -> "ProfileDraft":
        """Return the draft after its file was read; the same object when that was settled before."""
        if self.is_settled:
            return self
        attempts = self.attempts + 1
        read = replace(self, attempts=attempts, read_time=now, version=self.version + 1)
        if parsing.outcome is ResumeOutcome.TIMED_OUT and attempts < MAX_READ_ATTEMPTS:
            return read
        if parsing.resume is None:
            return replace(read, state=ProfileDraftState.FAILED, failure=DraftFailure(parsing.outcome.value))
        found = draft_profile(parsing.resume)
        return replace(
            read,
            state=ProfileDraftState.READY,
            name=found.name,
            student=found.student,
            confidences=found.confidences,
        )

    def with_failure(self, failure: DraftFailure, now: datetime) -> "ProfileDraft":
        """Return the draft of a file that is not read; the same object when that was settled before."""
        if self.is_settled:
            return self
        return replace(
            self, state=ProfileDraftState.FAILED, failure=failure, read_time=now, version=self.version + 1
        )

    def confirmed(self) -> "ProfileDraft":
        """Return the draft once it is in the profile. Raises RESUME_DRAFT_NOT_READY."""
        if self.state is not ProfileDraftState.READY:
            raise draft_not_ready(self)
        return replace(self, state=ProfileDraftState.CONFIRMED, version=self.version + 1)

    def discarded(self) -> "ProfileDraft":
        """Return the draft without its values; the same object when it was discarded before.

        Raises RESUME_DRAFT_NOT_READY while its file is being read.
        """
        if self.state is ProfileDraftState.DISCARDED:
            return self
        if ProfileDraftState.DISCARDED not in DRAFT_TRANSITIONS[self.state]:
            raise draft_not_ready(self)
        return replace(
            self,
            state=ProfileDraftState.DISCARDED,
            failure=DraftFailure.UNSPECIFIED,
            name="",
            student=None,
            confidences=(),
            version=self.version + 1,
        )


TakeDraft = Callable[[Profile, ProfileDraft], Profile]
"""Returns a profile with the values of a draft that its owner wants."""


def draft_of_document(
    document: StudentDocument, stored: ProfileDraft | None, student_id: str
) -> ProfileDraft:
    """Return the draft of a résumé's newest version that is ready, as far as that has been read.

    Raises RESUME_DRAFT_NOT_FOUND for a document of another kind.
    """
    if document.kind is not DocumentKind.RESUME:
        raise DomainError(
            "RESUME_DRAFT_NOT_FOUND", f"{document.id} is no résumé: only documents of that kind are read."
        )
    ready, newest = document.find_version(0), document.versions[-1]
    if ready is not None and stored is not None and stored.document_version == ready.number:
        return stored
    pending = ProfileDraft(document.id, student_id, (ready or newest).number)
    if ready is None and newest.state is DocumentState.QUARANTINED:
        return replace(pending, state=ProfileDraftState.FAILED, failure=DraftFailure.QUARANTINED)
    return pending


def draft_to_read(
    stored: ProfileDraft | None, document: StudentDocument, student_id: str, number: int
) -> ProfileDraft | None:
    """Return the draft that the reading of a version makes.

    None when it is settled, or the version is not the newest that is ready. The stored draft may be of a
    later version: of one that has lost its content, or that became ready after `document` was read.
    """
    newest = document.find_version(0)
    if newest is None or newest.number != number:
        return None
    if stored is None:
        return ProfileDraft(document.id, student_id, number)
    if stored.document_version == number:
        return None if stored.is_settled else stored
    if stored.document_version > number and not _is_lost(document, stored.document_version):
        return None
    return ProfileDraft(document.id, student_id, number, version=stored.version)


def overdue_draft(
    stored: ProfileDraft | None, document: StudentDocument, student_id: str, now: datetime
) -> ProfileDraft | None:
    """Return the draft of a résumé that is asked to be read once more; None while that is not due."""
    newest = document.find_version(0)
    waiting = draft_to_read(stored, document, student_id, newest.number) if newest else None
    if newest is None or waiting is None:
        return None
    since = waiting.asked_time or newest.receive_time
    if since is not None and now < since + READ_AGAIN_AFTER:
        return None
    return replace(waiting, asked_time=now, version=waiting.version + 1)


def _is_lost(document: StudentDocument, number: int) -> bool:
    version = document.find_version(number)
    return version is not None and version.state is DocumentState.QUARANTINED


def resume_media_type(version: DocumentVersion) -> ResumeMediaType | None:
    """Return the type of a file that can be read; None for any other."""
    return next((each for each in ResumeMediaType if each.value == version.media_type), None)


def draft_not_ready(draft: ProfileDraft) -> DomainError:
    """Return RESUME_DRAFT_NOT_READY with what became of the draft."""
    words = {
        ProfileDraftState.PENDING: "The résumé has not been read yet; try again in a moment.",
        ProfileDraftState.DISCARDED: "The draft was discarded.",
    }
    why = words.get(draft.state) or FAILURE_WORDS[draft.failure] or "The draft was confirmed."
    return DomainError("RESUME_DRAFT_NOT_READY", why)

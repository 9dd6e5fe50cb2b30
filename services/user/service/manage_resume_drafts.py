"""The use cases of drafts that résumés have made, for their owners."""

from contextlib import suppress
from typing import Final

from chassis.aggregates import AggregateChange
from chassis.call_context import Principal
from chassis.clock import Clock
from chassis.errors import DomainError, stale_etag
from services.user.domain import Profile
from services.user.domain.document_events import ResumeBecameReady
from services.user.domain.documents import StudentDocument, StudentDocuments
from services.user.domain.profile_drafts import (
    ProfileDraft,
    TakeDraft,
    draft_not_ready,
    draft_of_document,
    overdue_draft,
)
from services.user.repository import DocumentRepository, ProfileDraftRepository, ProfileRepository
from services.user.service.manage_profiles import ManageProfiles

ANY_VERSION: Final = 0


class ManageResumeDrafts:
    """Shows the caller's drafts, and takes them into the profile or discards them."""

    def __init__(
        self,
        documents: DocumentRepository,
        drafts: ProfileDraftRepository,
        profiles: ProfileRepository,
        editing: ManageProfiles,
        clock: Clock,
    ) -> None:
        self._documents = documents
        self._drafts = drafts
        self._profiles = profiles
        self._editing = editing
        self._clock = clock

    async def get(self, principal: Principal, document_id: str) -> ProfileDraft:
        """Return the draft of one of the caller's résumés; one that is overdue is asked to be read again.

        Raises DOCUMENT_NOT_FOUND, or RESUME_DRAFT_NOT_FOUND for a document of another kind.
        """
        document = await self._read_document(principal, document_id)
        stored = await self._drafts.get(document_id)
        draft = draft_of_document(document, stored, principal.id)
        if overdue_draft(stored, document, principal.id, self._clock.now()) is not None:
            # The next look asks again if this one cannot.
            with suppress(DomainError):
                await self._ask_to_read(document, principal.id)
        return draft

    async def confirm(
        self,
        principal: Principal,
        document_id: str,
        take: TakeDraft,
        *,
        expected_version: int = ANY_VERSION,
        expected_etag: str = "",
    ) -> Profile:
        """Return the caller's profile with a draft's values; once it was confirmed, a repeat changes nothing.

        Profile and draft change together. Raises as `get`, and RESUME_DRAFT_NOT_READY, STALE_ETAG, or
        INVALID_FIELD with all violations.
        """
        document = await self._read_document(principal, document_id)

        def decide(
            found: Profile | None, stored: ProfileDraft | None
        ) -> tuple[AggregateChange[Profile] | None, ProfileDraft]:
            draft = draft_of_document(document, stored, principal.id)
            if expected_version not in (ANY_VERSION, draft.document_version):
                raise stale_etag("draft", document_id)
            if draft.is_confirmed:
                return None, draft
            confirmed = draft.confirmed()
            change = self._editing.decide_update(
                principal, found, lambda profile: take(profile, draft), expected_etag=expected_etag
            )
            return change, confirmed

        changed = await self._profiles.update_with_draft(principal.id, document_id, decide)
        return changed or await self._editing.get(principal)

    async def discard(self, principal: Principal, document_id: str) -> ProfileDraft:
        """Delete the values of a draft for good; a repeat changes nothing. Raises as `confirm`."""
        document = await self._read_document(principal, document_id)

        def decide(stored: ProfileDraft | None) -> AggregateChange[ProfileDraft] | None:
            draft = draft_of_document(document, stored, principal.id)
            if stored is None or draft.document_version != stored.document_version:
                raise draft_not_ready(draft)
            discarded = draft.discarded()
            return None if discarded is draft else AggregateChange(discarded)

        discarded = await self._drafts.upsert(document_id, decide)
        return draft_of_document(document, discarded, principal.id)

    async def _ask_to_read(self, document: StudentDocument, student_id: str) -> None:
        def decide(stored: ProfileDraft | None) -> AggregateChange[ProfileDraft] | None:
            draft = overdue_draft(stored, document, student_id, self._clock.now())
            if draft is None:
                return None
            return AggregateChange(
                draft, (ResumeBecameReady(student_id, document.id, draft.document_version),)
            )

        await self._drafts.upsert(document.id, decide)

    async def _read_document(self, principal: Principal, document_id: str) -> StudentDocument:
        found = await self._documents.get(principal.id) or StudentDocuments(principal.id)
        return found.seen_at(self._clock.now()).find_or_raise(document_id)

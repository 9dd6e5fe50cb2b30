"""Drafts of profiles, each under the ID of its document."""

from collections.abc import Collection

from chassis.aggregates import AggregateChange
from chassis.ids import slot_of
from chassis.mongo.documents import from_document, to_document
from chassis.sharding.collections import ShardDatabase
from chassis.sharding.repository import Repository
from chassis.sharding.shards import Shards
from chassis.sharding.slot_repository import ChangedSinceReadError
from chassis.sharding.transactions import Transaction
from services.user.document_mapping import document_event_message
from services.user.domain.profile_drafts import ProfileDraft
from services.user.repository.collections import RESUME_DRAFTS, STUDENT_DOCUMENTS


class ProfileDraftRepository(Repository[ProfileDraft]):
    """Drafts that résumés have made; a draft never outlives its document."""

    def __init__(self, shards: Shards) -> None:
        super().__init__(
            shards,
            RESUME_DRAFTS,
            ProfileDraft,
            resource="draft",
            not_found_reason="RESUME_DRAFT_NOT_FOUND",
            encode_event=document_event_message,
        )

    async def _apply(
        self, tx: Transaction, id_: str, before: ProfileDraft | None, change: AggregateChange[ProfileDraft]
    ) -> bool:
        """Store the draft, unless its document is deleted: then there is nothing to store.

        The write to the documents lets the transaction of a deletion at the same time wait, or this one.
        Events are about the student, as those of documents.
        """
        draft = change.aggregate
        if draft is None or not await touch_document(tx, draft.student_id, id_):
            return True
        if not await super()._apply(tx, id_, before, AggregateChange(draft)):
            return False
        self._emit(tx, draft.student_id, change.events)
        return True

    async def _write(self, tx: Transaction, before: ProfileDraft | None, after: ProfileDraft) -> bool:
        """Store a draft at once, so that a deletion of its document in the same commit finds it."""
        if before is not None:
            return await super()._write(tx, before, after)
        await tx.db[RESUME_DRAFTS.name].insert_one(self._to_document(after))
        return True


async def touch_document(tx: Transaction, student_id: str, document_id: str) -> bool:
    """Write to a student's documents, changing nothing; return whether the document is among them.

    So of this transaction and one that changes the documents only one commits; the other one runs again.
    """
    found = await tx.db[STUDENT_DOCUMENTS.name].update_one(
        {"_id": student_id, "documents.id": document_id}, {"$inc": {"touches": 1}}, hint="_id_"
    )
    return bool(found.matched_count)


async def find_profile_draft(database: ShardDatabase, document_id: str) -> ProfileDraft | None:
    """Return the draft of a document, or None."""
    found = await database[RESUME_DRAFTS.name].find_one({"_id": document_id}, hint="_id_")
    return None if found is None else from_document(ProfileDraft, found)


async def replace_profile_draft(tx: Transaction, before: ProfileDraft, after: ProfileDraft) -> None:
    """Replace a draft. Raises ChangedSinceReadError when another state of it is stored."""
    unchanged = {"_id": before.id, "version": before.version}
    document = to_document(after, slot=slot_of(after.id))
    result = await tx.db[RESUME_DRAFTS.name].replace_one(unchanged, document, hint="_id_")
    if not result.matched_count:
        raise ChangedSinceReadError(after.id)


async def delete_profile_drafts(tx: Transaction, document_ids: Collection[str]) -> None:
    """Delete the drafts of documents that are being deleted."""
    await tx.db[RESUME_DRAFTS.name].delete_many({"_id": {"$in": sorted(document_ids)}}, hint="_id_")

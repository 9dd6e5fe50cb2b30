"""Students' documents."""

from datetime import datetime
from itertools import chain

from pymongo import ASCENDING

from chassis.mongo.documents import from_document
from chassis.sharding.repository import Repository
from chassis.sharding.shard import Shard
from chassis.sharding.shards import Shards
from chassis.sharding.transactions import Transaction
from services.user.document_mapping import document_event_message
from services.user.domain.documents import StudentDocuments
from services.user.repository.collections import LIST_TIMEOUT_S, PENDING_SCAN_INDEX, STUDENT_DOCUMENTS
from services.user.repository.drafts import delete_profile_drafts


class DocumentRepository(Repository[StudentDocuments]):
    """Students' documents: those of one student are one aggregate, under the student's ID."""

    def __init__(self, shards: Shards) -> None:
        super().__init__(
            shards,
            STUDENT_DOCUMENTS,
            StudentDocuments,
            resource="document",
            not_found_reason="DOCUMENT_NOT_FOUND",
            encode_event=document_event_message,
        )

    async def list_waiting_for_scan(self, before: datetime, *, limit: int) -> list[StudentDocuments]:
        """Return students with a content that came before a time and is unchecked, on shards that answer."""

        async def on_shard(shard: Shard) -> list[StudentDocuments]:
            waiting = shard.db["student_documents"].find(
                {"scan_pending_since": {"$lt": before}}, hint=PENDING_SCAN_INDEX
            )
            found = await waiting.sort("scan_pending_since", ASCENDING).limit(limit).to_list()
            return [from_document(StudentDocuments, each) for each in found]

        return list(chain.from_iterable((await self._shards.scatter(on_shard, LIST_TIMEOUT_S)).results))

    async def _write(self, tx: Transaction, before: StudentDocuments | None, after: StudentDocuments) -> bool:
        """Replace the documents; the drafts of those that are gone go with them."""
        if not await super()._write(tx, before, after):
            return False
        gone = before.document_ids() - after.document_ids() if before else frozenset()
        if gone:
            await delete_profile_drafts(tx, gone)
        return True

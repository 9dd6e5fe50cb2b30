"""Versions that applications hold, each hold under the ID of its application."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from itertools import chain

from pymongo import ASCENDING

from chassis.ids import slot_of
from chassis.mongo.documents import Document, from_document
from chassis.sharding.repository import Repository
from chassis.sharding.shard import Shard
from chassis.sharding.shards import Shards
from chassis.sharding.slot_repository import ChangedSinceReadError
from chassis.sharding.transactions import Transaction
from services.user.document_mapping import document_event_message
from services.user.domain.document_events import DocumentContentsWereReleased
from services.user.domain.document_holds import DocumentHold
from services.user.domain.documents import StudentDocuments, blob_folder_of
from services.user.repository.collections import (
    DOCUMENT_HOLDS,
    HELD_CONTENT_INDEX,
    LIST_TIMEOUT_S,
    STUDENT_DOCUMENTS,
    UNSETTLED_HOLD_INDEX,
)

ChooseVersions = Callable[[StudentDocuments, Mapping[str, int]], DocumentHold]
"""Makes a hold of a student's documents, with the sizes by key of the contents that are held already."""


class DocumentHoldRepository(Repository[DocumentHold]):
    """What applications hold of their students' documents."""

    def __init__(self, shards: Shards) -> None:
        super().__init__(
            shards,
            DOCUMENT_HOLDS,
            DocumentHold,
            resource="application's documents",
            not_found_reason="DOCUMENT_NOT_FOUND",
            encode_event=document_event_message,
        )

    async def hold(self, application_id: str, student_id: str, choose: ChooseVersions) -> DocumentHold:
        """Store the hold that `choose` makes of the student's documents, or return the one that is stored.

        The application is in its student's slot. Of a hold and a change of the documents at once, one sees
        what the other has done: both write to the documents. Raises what `choose` raises.
        """

        async def work(tx: Transaction) -> DocumentHold:
            known = await self._find_in(tx.db, application_id)
            if known is not None:
                return known
            documents = await _find_documents(tx, student_id)
            made = choose(documents, await _find_held_bytes(tx, student_id))
            await _touch_documents(tx, documents)
            # Not at the commit: other changes of the same commit have to find it.
            await tx.db[DOCUMENT_HOLDS.name].insert_one(self._to_document(made))
            return made

        return await self._change_in_transaction(application_id, work)

    async def release(self, application_id: str) -> None:
        """Delete the hold of an application; what nothing else holds is deleted after that."""

        async def work(tx: Transaction) -> None:
            found = await self._find_in(tx.db, application_id)
            if found is None:
                return
            await tx.db[DOCUMENT_HOLDS.name].delete_one(self._identity(application_id), hint="_id_")
            self._emit(
                tx, found.student_id, [DocumentContentsWereReleased(found.student_id, found.blob_keys())]
            )

        await self._change_in_transaction(application_id, work)

    async def settle(self, application_ids: Collection[str]) -> None:
        """Record that these applications are stored (index `_id_`); a repeat changes nothing."""

        async def on_shard(shard: Shard, ids: list[str]) -> None:
            query: Document = {"_id": {"$in": ids}, "slot": {"$in": sorted({slot_of(id_) for id_ in ids})}}
            change = {"$set": {"unsettled_since": None}}
            await shard.db[DOCUMENT_HOLDS.name].update_many(query, change, hint="_id_")

        await self._shards.run_on_shards_of(dict.fromkeys(application_ids), str, on_shard)

    async def list_unsettled(self, before: datetime, *, limit: int) -> list[str]:
        """Return applications that have held versions since before a time, on shards that answer."""

        async def on_shard(shard: Shard) -> list[str]:
            waiting = shard.db[DOCUMENT_HOLDS.name].find(
                {"unsettled_since": {"$lt": before}}, {"_id": True}, hint=UNSETTLED_HOLD_INDEX
            )
            found = await waiting.sort("unsettled_since", ASCENDING).limit(limit).to_list()
            return [str(each["_id"]) for each in found]

        return list(chain.from_iterable((await self._shards.scatter(on_shard, LIST_TIMEOUT_S)).results))

    async def list_of_student(self, student_id: str, after_id: str, limit: int) -> list[DocumentHold]:
        """Return what a student's applications hold, by ID from beyond one on (index `of_content`)."""
        query: Document = {
            "slot": slot_of(student_id),
            "versions.blob_key": _contents_of(student_id),
            "_id": {"$gt": after_id},
        }
        found = self._collection(student_id).find(query, hint=HELD_CONTENT_INDEX)
        documents = await found.sort("_id", ASCENDING).limit(limit).to_list()
        return [self._from_document(each) for each in documents]

    async def find_held_keys(self, student_id: str, blob_keys: Collection[str]) -> set[str]:
        """Return those of a student's contents that an application holds (index `of_content`)."""
        query: Document = {"slot": slot_of(student_id), "versions.blob_key": {"$in": sorted(blob_keys)}}
        found = self._collection(student_id).find(query, hint=HELD_CONTENT_INDEX)
        holds = [self._from_document(each) for each in await found.to_list()]
        return {key for each in holds for key in each.blob_keys()} & set(blob_keys)


async def _find_documents(tx: Transaction, student_id: str) -> StudentDocuments:
    found = await tx.db[STUDENT_DOCUMENTS.name].find_one({"_id": student_id}, hint="_id_")
    return StudentDocuments(student_id) if found is None else from_document(StudentDocuments, found)


async def _find_held_bytes(tx: Transaction, student_id: str) -> dict[str, int]:
    """Return the size of each content that the student's applications hold (index `of_content`)."""
    query: Document = {
        "slot": slot_of(student_id),
        "versions.blob_key": _contents_of(student_id),
    }
    fields = {"versions.blob_key": True, "versions.size_bytes": True}
    found = await tx.db[DOCUMENT_HOLDS.name].find(query, fields, hint=HELD_CONTENT_INDEX).to_list()
    return {held["blob_key"]: held["size_bytes"] for each in found for held in each["versions"]}


def _contents_of(student_id: str) -> Document:
    """Return the condition for keys of a student's contents."""
    return {"$regex": f"^{blob_folder_of(student_id)}/"}


async def _touch_documents(tx: Transaction, documents: StudentDocuments) -> None:
    unchanged = {"_id": documents.id, "version": documents.version}
    found = await tx.db[STUDENT_DOCUMENTS.name].update_one(unchanged, {"$inc": {"touches": 1}}, hint="_id_")
    if not found.matched_count:
        raise ChangedSinceReadError(documents.id)

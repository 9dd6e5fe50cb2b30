"""Applications, in the slot of their student."""

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime
from typing import Any

from google.protobuf.message import Message
from pymongo.errors import DuplicateKeyError

from chassis.errors import DomainError
from chassis.ids import slot_of
from chassis.mongo.documents import Document, from_document, to_document
from chassis.sharding.reconciler import find_existing_ids, iterate_pages
from chassis.sharding.shard import Shard
from chassis.sharding.shards import Shards
from chassis.sharding.transactions import Transaction
from services.application.domain.model import Application
from services.application.repository.collections import (
    APPLICATIONS,
    DUE_INDEX,
    ONE_LIVE_APPLICATION_INDEX,
    STUDENT_INDEX,
)

_LIST_PROJECTION = {"applicant.profile": 0}


class ApplicationRepository:
    """Reads and writes applications; a write commits together with its events."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def insert(self, application: Application, events: Sequence[Message]) -> Application:
        """Keeps a new application; one of the same ID that is there already is given back instead.

        Raises ALREADY_APPLIED, naming the live application of the same student and listing.
        """

        async def work(tx: Transaction) -> None:
            tx.insert_at_commit(APPLICATIONS, _application_document(application))
            _emit_events(tx, events, application)

        try:
            await self._shards.shard_for(application.id).run_in_transaction(work)
        except DuplicateKeyError:
            return await self._earlier(application)
        return application

    async def get(self, application_id: str) -> Application | None:
        """By ID (index `_id_`)."""
        found = await self._collection(application_id).find_one(_application_filter(application_id))
        return None if found is None else from_document(Application, found)

    async def replace(self, before: Application, after: Application, events: Sequence[Message]) -> bool:
        """Stores `after` unless the stored one has moved on from `before`; says whether it did.

        Raises ALREADY_APPLIED when it comes to life again beside a newer one for the same listing.
        """

        async def work(tx: Transaction) -> bool:
            unchanged = _application_filter(before.id) | {"version": before.version}
            result = await tx.db[APPLICATIONS].replace_one(
                unchanged, _application_document(after), session=tx.session
            )
            if result.matched_count:
                _emit_events(tx, events, after)
            return bool(result.matched_count)

        try:
            return bool(await self._shards.shard_for(before.id).run_in_transaction(work))
        except DuplicateKeyError:
            raise await self._already_applied(after) from None

    async def of_student(self, student_id: str, after_id: str | None, limit: int) -> list[Application]:
        """The student's applications, newest first, those after `after_id` (index `of_student`)."""
        query: Document = {"slot": slot_of(student_id), "student_id": student_id}
        if after_id is not None:
            query["_id"] = {"$lt": after_id}
        cursor = self._collection(student_id).find(query, _LIST_PROJECTION, hint=STUDENT_INDEX)
        rows = await cursor.sort("_id", -1).limit(limit).to_list()
        return [from_document(Application, row) for row in rows]

    async def due(self, now: datetime, limit: int) -> list[Application]:
        """What the system has to act on, at most `limit` of each shard that answers (index `due`)."""

        async def due_on(shard: Shard) -> list[Document]:
            cursor = shard.db[APPLICATIONS].find({"due_time": {"$lte": now}}, hint=DUE_INDEX)
            return await cursor.sort("due_time", 1).limit(limit).to_list()

        found = await self._shards.scatter(due_on, timeout_s=5.0)
        return [from_document(Application, row) for rows in found.results for row in rows]

    async def postpone(self, application: Application, until: datetime) -> bool:
        """Moves the due time if nobody has changed it meanwhile: of several workers one gets True."""
        unchanged = _application_filter(application.id) | {
            "version": application.version,
            "due_time": application.due_time,
        }
        change = {"$set": {"due_time": until}}
        result = await self._collection(application.id).update_one(unchanged, change)
        return bool(result.modified_count)

    async def pages(self, shard: Shard) -> AsyncIterator[list[Application]]:
        """All applications of a shard, page by page, without the frozen profiles (index `_id_`)."""
        async for page in iterate_pages(shard.db[APPLICATIONS], _LIST_PROJECTION):
            yield [from_document(Application, row) for row in page]

    async def existing(self, ids: Collection[str]) -> set[str]:
        """Those of these IDs that there are (index `_id_`). Raises UNAVAILABLE unless all shards answer."""
        return await find_existing_ids(self._shards, APPLICATIONS, ids)

    async def _earlier(self, application: Application) -> Application:
        same = await self.get(application.id)
        if same is not None:
            return same
        raise await self._already_applied(application)

    async def _already_applied(self, application: Application) -> DomainError:
        """The error that names the live application (index `one_live_application`)."""
        query = {
            "slot": slot_of(application.id),
            "student_id": application.student_id,
            "internship_id": application.internship_id,
            "live": True,
        }
        found = await self._collection(application.id).find_one(
            query, {"_id": 1}, hint=ONE_LIVE_APPLICATION_INDEX
        )
        return DomainError(
            "ALREADY_APPLIED",
            "There is a live application of this student for this internship already.",
            resource=None if found is None else ("application", str(found["_id"])),
        )

    def _collection(self, id_: str) -> Any:
        return self._shards.shard_for(id_).db[APPLICATIONS]


def _application_filter(application_id: str) -> Document:
    return {"_id": application_id, "slot": slot_of(application_id)}


def _application_document(application: Application) -> Document:
    document = to_document(application, slot=slot_of(application.id)) | {"live": application.is_live}
    if application.due_time is None:
        # The index of due times is sparse: it holds those only that have one.
        del document["due_time"]
    return document


def _emit_events(tx: Transaction, events: Sequence[Message], application: Application) -> None:
    for event in events:
        tx.emit(event, subject=application.id)

"""Applications, in the slot of their student."""

from collections.abc import AsyncIterator
from datetime import datetime

from chassis.errors import DomainError
from chassis.ids import slot_of
from chassis.mongo.documents import Document
from chassis.sharding.repository import Repository
from chassis.sharding.shard import Shard
from chassis.sharding.shards import Shards
from services.application.domain.model import Application
from services.application.domain.retention import first_check_time
from services.application.mapping import event_message
from services.application.repository.collections import (
    APPLICATIONS,
    APPLICATIONS_COLLECTION,
    DUE_INDEX,
    ONE_LIVE_APPLICATION_INDEX,
    RETENTION_INDEX,
    STUDENT_INDEX,
)

_LIST_PROJECTION = {"applicant.profile": 0, "applicant.blind_profile": 0}
SCATTER_TIMEOUT_S = 5.0


class ApplicationRepository(Repository[Application]):
    """Applications; a change commits together with its events.

    `insert` and `update` raise ALREADY_APPLIED, naming the live application of the same student and listing.
    """

    def __init__(self, shards: Shards) -> None:
        super().__init__(
            shards,
            APPLICATIONS_COLLECTION,
            Application,
            resource="application",
            not_found_reason="APPLICATION_NOT_FOUND",
            encode_event=event_message,
        )

    async def list_of_student(self, student_id: str, after_id: str | None, limit: int) -> list[Application]:
        """Return the student's applications, newest first, those after `after_id` (index `of_student`)."""
        return await self.page(
            student_id,
            {"student_id": student_id},
            index=STUDENT_INDEX,
            after_id=after_id,
            limit=limit,
            projection=_LIST_PROJECTION,
        )

    async def list_whole_of_student(
        self, student_id: str, after_id: str | None, limit: int
    ) -> list[Application]:
        """Return the same with the frozen profiles (index `of_student`)."""
        return await self.page(
            student_id, {"student_id": student_id}, index=STUDENT_INDEX, after_id=after_id, limit=limit
        )

    async def list_due(self, now: datetime, limit: int) -> list[Application]:
        """Return applications that the system has to act on, at most `limit` of each shard (index `due`)."""

        async def due_on(shard: Shard) -> list[Document]:
            cursor = shard.db[APPLICATIONS].find({"due_time": {"$lte": now}}, hint=DUE_INDEX)
            return await cursor.sort("due_time", 1).limit(limit).to_list()

        found = await self._shards.scatter(due_on, timeout_s=SCATTER_TIMEOUT_S)
        return [self._from_document(document) for documents in found.results for document in documents]

    async def postpone(self, application: Application, until: datetime) -> bool:
        """Move the due time unless it has been changed since; return True to one of several workers."""
        unchanged = self._identity(application.id) | {
            "version": application.version,
            "due_time": application.due_time,
        }
        change = {"$set": {"due_time": until}}
        result = await self._collection(application.id).update_one(unchanged, change)
        return bool(result.modified_count)

    async def list_to_check_retention(self, now: datetime, limit: int) -> list[Application]:
        """Return applications whose retention is to be checked, of each shard `limit` (index `retention`)."""

        async def found_on(shard: Shard) -> list[Document]:
            cursor = shard.db[APPLICATIONS].find({"retention_time": {"$lte": now}}, hint=RETENTION_INDEX)
            return await cursor.sort("retention_time", 1).limit(limit).to_list()

        found = await self._shards.scatter(found_on, timeout_s=SCATTER_TIMEOUT_S)
        return [self._from_document(document) for documents in found.results for document in documents]

    async def postpone_retention_check(self, application: Application, until: datetime) -> None:
        """Check the application's retention again at that time, unless it has been changed since."""
        unchanged = self._identity(application.id) | {"version": application.version}
        change = {"$set": {"retention_time": until}}
        await self._collection(application.id).update_one(unchanged, change, hint="_id_")

    async def iterate_without_profiles(self) -> AsyncIterator[list[Application]]:
        """Yield all applications, page by page, without the frozen profiles (index `_id_`)."""
        async for page in self.iterate_pages(_LIST_PROJECTION):
            yield page

    def _to_document(self, aggregate: Application) -> Document:
        document = super()._to_document(aggregate) | {"live": aggregate.is_live}
        if aggregate.due_time is None:
            # The index of due times is sparse: it holds those only that have one.
            del document["due_time"]
        if (check_time := first_check_time(aggregate)) is not None:
            # So does that of checks of retention.
            document["retention_time"] = check_time
        return document

    async def _explain_duplicate(self, aggregate: Application) -> DomainError | None:
        """Return ALREADY_APPLIED with the live application (index `one_live_application`)."""
        query = {
            "slot": slot_of(aggregate.id),
            "student_id": aggregate.student_id,
            "internship_id": aggregate.internship_id,
            "live": True,
        }
        found = await self._collection(aggregate.id).find_one(
            query, {"_id": 1}, hint=ONE_LIVE_APPLICATION_INDEX
        )
        return DomainError(
            "ALREADY_APPLIED",
            "There is a live application of this student for this internship already.",
            resource=None if found is None else ("application", str(found["_id"])),
        )

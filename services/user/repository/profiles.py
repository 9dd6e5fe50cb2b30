"""Profiles, each stored together with its search entry."""

from collections import Counter
from collections.abc import Callable
from typing import Final

from pymongo import DESCENDING
from pymongo.errors import PyMongoError

from chassis.aggregates import AggregateChange
from chassis.errors import unavailable
from chassis.ids import slot_of
from chassis.mongo.documents import Document, from_document, to_document
from chassis.search.gazetteer import Gazetteer
from chassis.search.totals import MAX_COUNTED_MATCHES, TotalEstimate, total_of_counts
from chassis.sharding.repository import Repository
from chassis.sharding.shard import Shard
from chassis.sharding.shards import Shards
from chassis.sharding.transactions import Transaction
from services.user.domain import Profile, StudentEntry, StudentQuery, build_student_entry
from services.user.domain.profile_drafts import ProfileDraft
from services.user.domain.search import STUDENT_ENTRY_FORMAT, StudentPage, StudentSortKey
from services.user.mapping import event_message
from services.user.repository.collections import FORMAT_INDEX, PROFILES, SEARCH_TIMEOUT_S
from services.user.repository.drafts import find_profile_draft, replace_profile_draft
from services.user.repository.search_pipeline import RANK, choose_index, match_pipeline, match_stages

UPGRADE_BATCH_SIZE: Final = 200
_UPGRADE_TIMEOUT_S: Final = 60.0
MAX_STUDENTS_READ: Final = 100_000
"""Profiles of one shard, the newest ones, that are read for the vocabulary."""
DecideWithDraft = Callable[
    [Profile | None, ProfileDraft | None], tuple[AggregateChange[Profile] | None, ProfileDraft]
]
"""Returns the changes of a profile and a draft, or raises when rules refuse them. Pure: it may run again."""


class ProfileRepository(Repository[Profile]):
    """Profiles, each stored together with its search entry."""

    def __init__(self, shards: Shards, places: Gazetteer) -> None:
        super().__init__(
            shards,
            PROFILES,
            Profile,
            resource="user",
            not_found_reason="USER_NOT_FOUND",
            encode_event=event_message,
        )
        self._places = places

    async def search(self, query: StudentQuery, *, after: StudentSortKey | None, limit: int) -> StudentPage:
        """Return the students who match, the best and then the newest first, from all shards."""
        pipeline = match_pipeline(query, after, limit + 1)

        async def on_shard(shard: Shard) -> list[tuple[StudentSortKey, StudentEntry]]:
            cursor = await shard.db["student_search"].aggregate(pipeline, hint=choose_index(query))
            return [
                ((int(found.pop(RANK)), found["_id"]), from_document(StudentEntry, found))
                for found in await cursor.to_list()
            ]

        scatter = await self._shards.scatter(on_shard, SEARCH_TIMEOUT_S)
        if not scatter.results:
            raise unavailable("The search for students")
        found = sorted(
            (row for rows in scatter.results for row in rows), key=lambda row: row[0], reverse=True
        )
        shown = found[:limit]
        last = shown[-1][0] if shown else None
        return StudentPage([entry for _, entry in shown], len(found) > limit, scatter.missing_shards, last)

    async def estimate_total(self, query: StudentQuery, students: int) -> TotalEstimate:
        """Count the students who match, on the shards that answer; `students` bounds the estimate.

        Raises UNAVAILABLE.
        """
        bounded: list[Document] = [{"$limit": MAX_COUNTED_MATCHES + 1}, {"$count": "total"}]
        pipeline = [*match_stages(query), *bounded]

        async def on_shard(shard: Shard) -> int:
            cursor = await shard.db["student_search"].aggregate(pipeline, hint=choose_index(query))
            return next((int(row["total"]) for row in await cursor.to_list()), 0)

        scatter = await self._shards.scatter(on_shard, SEARCH_TIMEOUT_S)
        if not scatter.results:
            raise unavailable("The search for students")
        return total_of_counts(
            scatter.results,
            documents=students,
            word_counts=(word.document_count for word in query.reading.required_terms),
            is_partial=bool(scatter.missing_shards),
        )

    async def count_words(self) -> tuple[Counter[str], int]:
        """Return the number of students with each word, on shards that answer, and roughly of all students.

        Raises UNAVAILABLE.
        """

        async def on_shard(shard: Shard) -> tuple[dict[str, int], int]:
            newest: list[Document] = [
                {"$sort": {"_id": DESCENDING}}, {"$limit": MAX_STUDENTS_READ}, {"$project": {"words": True}},
            ]  # fmt: skip
            by_word: list[Document] = [{"$unwind": "$words"}, {"$group": {"_id": "$words", "n": {"$sum": 1}}}]
            students = shard.db["student_search"]
            cursor = await students.aggregate([*newest, *by_word], hint="_id_", allowDiskUse=True)
            counts = {row["_id"]: row["n"] for row in await cursor.to_list()}
            return counts, max(counts.values(), default=0)

        try:
            counted = (await self._shards.scatter(on_shard, _UPGRADE_TIMEOUT_S)).results
        except PyMongoError as error:
            raise unavailable("The words of students") from error
        total = Counter[str]()
        for counts, _ in counted:
            total.update(counts)
        return total, sum(students for _, students in counted)

    async def upgrade_outdated_entries(self) -> None:
        """Replace entries that are stored in an older format, on shards that answer."""

        async def on_shard(shard: Shard) -> bool:
            old = shard.db["student_search"].find(
                {"format": {"$ne": STUDENT_ENTRY_FORMAT}}, {"_id": True}, hint=FORMAT_INDEX
            )
            ids = [found["_id"] for found in await old.limit(UPGRADE_BATCH_SIZE).to_list()]
            for student_id in ids:
                if await self.upsert(student_id, AggregateChange) is None:
                    await (
                        self._shards.shard_for(student_id)
                        .db["student_search"]
                        .delete_one({"_id": student_id})
                    )
            return len(ids) == UPGRADE_BATCH_SIZE

        while any((await self._shards.scatter(on_shard, _UPGRADE_TIMEOUT_S)).results):
            pass

    async def update_with_draft(
        self, student_id: str, document_id: str, decide: DecideWithDraft
    ) -> Profile | None:
        """Change a profile, and the draft of a document that must exist, in one transaction.

        Return the profile afterwards; None when there is still none.
        """

        async def work(tx: Transaction) -> Profile | None:
            before, known = (
                await self._find_in(tx.db, student_id),
                await find_profile_draft(tx.db, document_id),
            )
            change, draft = decide(before, known)
            if change is not None:
                await self._apply_or_abort(tx, student_id, before, change)
            if known is not None and draft != known:
                await replace_profile_draft(tx, known, draft)
            return before if change is None or change.aggregate is None else change.aggregate

        return await self._change_in_transaction(student_id, work)

    async def _write(self, tx: Transaction, before: Profile | None, after: Profile) -> bool:
        if not await super()._write(tx, before, after):
            return False
        entry = build_student_entry(after, self._places)
        if entry is None:
            await tx.db["student_search"].delete_one({"_id": after.id})
            return True
        document = to_document(entry, slot=slot_of(after.id))
        await tx.db["student_search"].replace_one({"_id": after.id}, document, upsert=True)
        return True

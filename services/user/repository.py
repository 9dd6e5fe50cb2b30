"""MongoDB: profiles, companies' pages and the derived collection for searches of students.

A profile and its search entry are in the user's slot, a company's page in its own. Profiles and pages are
read by `_id`. Students are searched on all shards.
"""

from collections import Counter
from typing import Any, Final

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import PyMongoError

from chassis.aggregates import AggregateChange
from chassis.errors import unavailable
from chassis.ids import slot_of
from chassis.mongo.documents import Document, from_document, to_document
from chassis.mongo.provision import CollectionSpec
from chassis.search.gazetteer import Gazetteer
from chassis.search.query_parser import QueryTerm
from chassis.search.totals import MAX_COUNTED_MATCHES, TotalEstimate, total_of_counts
from chassis.sharding.repository import Repository
from chassis.sharding.shard import Shard
from chassis.sharding.shards import Shards
from chassis.sharding.transactions import Transaction
from services.user.domain import (
    Company,
    CompanyState,
    Profile,
    StudentEntry,
    StudentQuery,
    build_student_entry,
)
from services.user.domain.company import CompanyListPage
from services.user.domain.search import STUDENT_ENTRY_FORMAT, StudentPage, StudentSortKey
from services.user.mapping import event_message

SCATTERS: Final = (
    "ProfileRepository.search",
    "ProfileRepository.estimate_total",
    "ProfileRepository.count_words",
    "ProfileRepository.upgrade_outdated_entries",
    "CompanyRepository.list_in_state",
)
"""The queries that go to all shards."""

_SEARCH_TIMEOUT_S: Final = 1.5
_LIST_TIMEOUT_S: Final = 4.0


def _search_index(name: str, *keys: str) -> IndexModel:
    return IndexModel([*((key, ASCENDING) for key in keys), ("_id", DESCENDING)], name=name)


_BY_FORMAT: Final = "by_format"
UPGRADE_BATCH_SIZE: Final = 200
_UPGRADE_TIMEOUT_S: Final = 60.0
MAX_STUDENTS_READ: Final = 100_000
"""Profiles of one shard, the newest ones, that are read for the vocabulary."""
_RANK, _MATCHED = "rank", "matched"
_MATCHED_WORD_SCORE: Final = 10**12
"""The score of one more matched word when not all have to match: more than the scores of all words."""

COLLECTIONS: Final = (
    CollectionSpec("profiles"),
    CollectionSpec(
        "companies", indexes=(IndexModel([("state", ASCENDING), ("_id", ASCENDING)], name="by_state"),)
    ),
    CollectionSpec(
        "student_search",
        indexes=(
            _search_index("by_word", "words"),
            _search_index("by_skill", "skill_keys"),
            _search_index("by_city", "city_key"),
            _search_index("by_country", "country"),
            _search_index(_BY_FORMAT, "format"),
        ),
    ),
)


class ProfileRepository(Repository[Profile]):
    """Profiles, each stored together with its search entry."""

    def __init__(self, shards: Shards, places: Gazetteer) -> None:
        super().__init__(
            shards,
            COLLECTIONS[0],
            Profile,
            resource="user",
            not_found_reason="USER_NOT_FOUND",
            encode_event=event_message,
        )
        self._places = places

    async def search(self, query: StudentQuery, *, after: StudentSortKey | None, limit: int) -> StudentPage:
        """Return the students who match, the best and then the newest first, from all shards."""
        pipeline = _match_pipeline(query, after, limit + 1)

        async def on_shard(shard: Shard) -> list[tuple[StudentSortKey, StudentEntry]]:
            cursor = await shard.db["student_search"].aggregate(pipeline, hint=_choose_index(query))
            return [
                ((int(found.pop(_RANK)), found["_id"]), from_document(StudentEntry, found))
                for found in await cursor.to_list()
            ]

        scatter = await self._shards.scatter(on_shard, _SEARCH_TIMEOUT_S)
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
        pipeline = [*_match_stages(query), *bounded]

        async def on_shard(shard: Shard) -> int:
            cursor = await shard.db["student_search"].aggregate(pipeline, hint=_choose_index(query))
            return next((int(row["total"]) for row in await cursor.to_list()), 0)

        scatter = await self._shards.scatter(on_shard, _SEARCH_TIMEOUT_S)
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
                {"format": {"$ne": STUDENT_ENTRY_FORMAT}}, {"_id": True}, hint=_BY_FORMAT
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


class CompanyRepository(Repository[Company]):
    """Companies' pages."""

    def __init__(self, shards: Shards) -> None:
        super().__init__(
            shards,
            COLLECTIONS[1],
            Company,
            resource="company",
            not_found_reason="COMPANY_NOT_FOUND",
            encode_event=event_message,
        )

    async def list_in_state(self, state: CompanyState | None, *, after: str, limit: int) -> CompanyListPage:
        """Return companies in a state, or all, in order of ID, from all shards (`by_state`, `_id_`)."""
        query: Document = {} if state is None else {"state": state.value}
        if after:
            query["_id"] = {"$gt": after}

        async def on_shard(shard: Shard) -> list[Company]:
            hint = "_id_" if state is None else "by_state"
            cursor = shard.db["companies"].find(query, hint=hint).sort("_id", ASCENDING).limit(limit)
            return [from_document(Company, found) for found in await cursor.to_list()]

        scatter = await self._shards.scatter(on_shard, _LIST_TIMEOUT_S)
        if not scatter.results:
            raise unavailable("The list of companies")
        found = sorted((each for part in scatter.results for each in part), key=lambda each: each.id)
        return CompanyListPage(found[:limit], scatter.missing_shards)


def _match_pipeline(query: StudentQuery, after: StudentSortKey | None, limit: int) -> list[Document]:
    """Return the stages that sort matches: more of the words first, then higher scores, then newer ones."""
    words = query.reading.terms
    scores: list[Any] = [
        {"$multiply": [word.weight, _best_impact(word)]} for word in words if word.affects_ranking
    ]
    stages = _match_stages(query)
    if query.min_words is not None:
        scores.append({"$multiply": [f"${_MATCHED}", _MATCHED_WORD_SCORE]})
    stages.append({"$set": {_RANK: {"$toLong": {"$add": [0, *scores]}}}})
    if after is not None:
        rank, student_id = after
        beyond = [{_RANK: {"$lt": rank}}, {_RANK: rank, "_id": {"$lt": student_id}}]
        stages.append({"$match": {"$or": beyond}})
    return [*stages, {"$sort": {_RANK: DESCENDING, "_id": DESCENDING}}, {"$limit": limit}]


def _match_stages(query: StudentQuery) -> list[Document]:
    """Return the stages after which only matches are left."""
    matched = {
        "$add": [{"$cond": [{"$gt": [_best_impact(word), 0]}, 1, 0]} for word in query.reading.required_terms]
    }
    stages: list[Document] = [{"$match": _match_condition(query)}]
    if query.min_words is not None:
        stages += [{"$set": {_MATCHED: matched}}, {"$match": {_MATCHED: {"$gte": query.min_words}}}]
    return stages


def _best_impact(word: QueryTerm) -> Document:
    impacts = [
        {"$multiply": [quality, {"$ifNull": [f"$impacts.{term}", 0]}]}
        for term, quality in word.qualities.items()
    ]
    return {"$max": impacts}


def _match_condition(query: StudentQuery) -> Document:
    demanded = query.reading.required_terms
    asked: list[Document] = [{"blocked_company_ids": {"$ne": query.company_id}}]
    if query.min_words is not None:
        asked.append({"words": {"$in": [term for word in demanded for term in word.qualities]}})
    else:
        asked += [{"words": {"$in": list(word.qualities)}} for word in demanded]
    if query.skill_keys:
        asked.append({"skill_keys": {"$all": list(query.skill_keys)}})
    if query.city_keys:
        asked.append({"city_key": {"$in": list(query.city_keys)}})
    if query.country:
        asked.append({"country": query.country})
    return {"$and": asked}


def _choose_index(query: StudentQuery) -> str:
    """Return the index of the usually narrowest condition; without any, `_id` gives the order."""
    indexes = (
        (query.reading.required_terms, "by_word"),
        (query.skill_keys, "by_skill"),
        (query.city_keys, "by_city"),
        (query.country, "by_country"),
    )
    return next((index for condition, index in indexes if condition), "_id_")

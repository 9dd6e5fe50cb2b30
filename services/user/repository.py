"""Mongo: profiles, companies' pages and the derived collection in which students are found.

A profile and its search entry live in the user's slot, a company's page in its own. Profiles and pages are
read by `_id`. Students are searched on all shards.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from google.protobuf.message import Message
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from chassis.errors import unavailable
from chassis.ids import slot_of
from chassis.messaging import IncomingEvent
from chassis.mongo.documents import Document, from_document, to_document
from chassis.mongo.provision import CollectionSpec
from chassis.search.gazetteer import Gazetteer
from chassis.search.query_parser import QueryTerm
from chassis.sharding.shard import Shard
from chassis.sharding.shards import FoundByShard, Shards
from chassis.sharding.transactions import Transaction
from services.user.domain import (
    Company,
    CompanyState,
    Profile,
    StudentEntry,
    StudentQuery,
    build_student_entry,
)
from services.user.domain.search import STUDENT_ENTRY_FORMAT

SCATTERS: Final = (
    "ProfileStore.search",
    "ProfileStore.word_counts",
    "ProfileStore.renew",
    "CompanyStore.in_state",
)
"""The queries that go to all shards."""

_MAX_RACES: Final = 5
_SEARCH_TIMEOUT_S: Final = 1.5
_LIST_TIMEOUT_S: Final = 4.0


def _search_index(name: str, *keys: str) -> IndexModel:
    return IndexModel([*((key, ASCENDING) for key in keys), ("_id", DESCENDING)], name=name)


_BY_FORMAT: Final = "by_format"
RENEWAL_BATCH_SIZE: Final = 200
_RENEW_TIMEOUT_S: Final = 60.0
MAX_STUDENTS_READ: Final = 100_000
"""Of one shard, the newest ones, for the words that students use."""
_RANK, _MATCHED = "rank", "matched"
_MATCHED_WORD_SCORE: Final = 10**12
"""What one matched word more is worth where not all have to match: more than all that words can score."""

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


class StoredRecord(Protocol):
    """What is kept under an ID."""

    @property
    def id(self) -> str: ...


R = TypeVar("R", bound=StoredRecord)


@dataclass(frozen=True, slots=True)
class RecordChange(Generic[R]):
    """What to write (None: nothing) and what to tell, decided from what is stored."""

    record: R | None = None
    events: tuple[Message, ...] = ()


StudentSortKey = tuple[int, str]
"""A student's rank and ID."""


@dataclass(frozen=True, slots=True)
class StudentPage:
    """Entries in order, at most as many as were asked for, and where the last one stands.

    `missing` names shards that did not answer.
    """

    entries: list[StudentEntry]
    has_more: bool
    missing: list[str]
    last: StudentSortKey | None = None


@dataclass(frozen=True, slots=True)
class CompanyListPage:
    """Companies in order; `missing` names shards that did not answer."""

    companies: list[Company]
    missing: list[str]


class _RecordRepository(Generic[R]):
    def __init__(self, shards: Shards, kind: type[R], collection: str) -> None:
        self._shards = shards
        self._kind = kind
        self._collection = collection

    async def find(self, record_id: str) -> R | None:
        """The record under an ID."""
        found = await self._shards.shard_for(record_id).db[self._collection].find_one({"_id": record_id})
        return from_document(self._kind, found) if found else None

    async def change(
        self,
        record_id: str,
        decide: Callable[[R | None], RecordChange[R]],
        *,
        handling: IncomingEvent | None = None,
    ) -> R | None:
        """Reads a record, lets `decide` say what is to happen, and does it in one transaction.

        `decide` may be asked again when somebody else changed the record meanwhile. Returns the record as
        it is then; None when there is none, or when the event that is being `handled` was handled before.
        """

        async def work(tx: Transaction) -> R | None:
            document = await tx.db[self._collection].find_one({"_id": record_id})
            found = from_document(self._kind, document) if document else None
            change = decide(found)
            if change.record is not None:
                await self._write(tx, change.record, is_new=found is None)
            for event in change.events:
                tx.emit(event, subject=record_id)
            return change.record or found

        for _ in range(_MAX_RACES):
            try:
                return await self._shards.shard_for(record_id).run_in_transaction(
                    work, event=handling, slot=slot_of(record_id)
                )
            except DuplicateKeyError:  # somebody made the record between our look and our insert
                await asyncio.sleep(0)
        raise unavailable("The record")

    async def _write(self, tx: Transaction, record: R, *, is_new: bool) -> None:
        document = to_document(record, slot=slot_of(record.id))
        if is_new:
            await tx.db[self._collection].insert_one(document)
        else:
            await tx.db[self._collection].replace_one({"_id": record.id}, document)


class ProfileRepository(_RecordRepository[Profile]):
    """Profiles, each kept together with how it is found."""

    def __init__(self, shards: Shards, places: Gazetteer) -> None:
        super().__init__(shards, Profile, "profiles")
        self._places = places

    async def find_each(self, record_ids: Iterable[str]) -> FoundByShard[Profile]:
        """Those of these profiles that there are."""

        async def on_shard(shard: Shard, ids: list[str]) -> list[Profile]:
            cursor = shard.db["profiles"].find({"_id": {"$in": ids}})
            return [from_document(Profile, found) for found in await cursor.to_list()]

        return await self._shards.find_by_ids(record_ids, on_shard)

    async def search(self, query: StudentQuery, *, after: StudentSortKey | None, limit: int) -> StudentPage:
        """Students who match, the best and then the newest first, from all shards."""
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

    async def word_counts(self) -> tuple[Counter[str], int]:
        """How many students have each word, on the shards that answer, and about how many there are."""

        async def on_shard(shard: Shard) -> tuple[dict[str, int], int]:
            newest: list[Document] = [
                {"$sort": {"_id": DESCENDING}}, {"$limit": MAX_STUDENTS_READ}, {"$project": {"words": True}},
            ]  # fmt: skip
            by_word: list[Document] = [{"$unwind": "$words"}, {"$group": {"_id": "$words", "n": {"$sum": 1}}}]
            students = shard.db["student_search"]
            cursor = await students.aggregate([*newest, *by_word], hint="_id_", allowDiskUse=True)
            counts = {row["_id"]: row["n"] for row in await cursor.to_list()}
            return counts, max(counts.values(), default=0)

        counted = (await self._shards.scatter(on_shard, _RENEW_TIMEOUT_S)).results
        total = Counter[str]()
        for counts, _ in counted:
            total.update(counts)
        return total, sum(students for _, students in counted)

    async def renew(self) -> None:
        """Makes entries anew that are stored in an older format, on shards that answer."""

        async def on_shard(shard: Shard) -> bool:
            old = shard.db["student_search"].find(
                {"format": {"$ne": STUDENT_ENTRY_FORMAT}}, {"_id": True}, hint=_BY_FORMAT
            )
            ids = [found["_id"] for found in await old.limit(RENEWAL_BATCH_SIZE).to_list()]
            for student_id in ids:
                if await self.change(student_id, RecordChange) is None:
                    await (
                        self._shards.shard_for(student_id)
                        .db["student_search"]
                        .delete_one({"_id": student_id})
                    )
            return len(ids) == RENEWAL_BATCH_SIZE

        while any((await self._shards.scatter(on_shard, _RENEW_TIMEOUT_S)).results):
            pass

    async def _write(self, tx: Transaction, record: Profile, *, is_new: bool) -> None:
        await super()._write(tx, record, is_new=is_new)
        entry = build_student_entry(record, self._places)
        if entry is None:
            await tx.db["student_search"].delete_one({"_id": record.id})
            return
        document = to_document(entry, slot=slot_of(record.id))
        await tx.db["student_search"].replace_one({"_id": record.id}, document, upsert=True)


class CompanyRepository(_RecordRepository[Company]):
    """Companies' pages."""

    def __init__(self, shards: Shards) -> None:
        super().__init__(shards, Company, "companies")

    async def in_state(self, state: CompanyState | None, *, after: str, limit: int) -> CompanyListPage:
        """Companies in a state, or all, in the order of their IDs, from all shards (`by_state`, `_id_`)."""
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
    """Matches in order: those with more of the words first, then the better ones, then the newer ones."""
    words = query.reading.terms
    scores: list[Any] = [
        {"$multiply": [word.weight, _best_impact(word)]} for word in words if word.affects_ranking
    ]
    matched = {
        "$add": [{"$cond": [{"$gt": [_best_impact(word), 0]}, 1, 0]} for word in query.reading.required_terms]
    }
    stages: list[Document] = [{"$match": _match_condition(query)}]
    if query.least is not None:
        stages += [{"$set": {_MATCHED: matched}}, {"$match": {_MATCHED: {"$gte": query.least}}}]
        scores.append({"$multiply": [f"${_MATCHED}", _MATCHED_WORD_SCORE]})
    stages.append({"$set": {_RANK: {"$toLong": {"$add": [0, *scores]}}}})
    if after is not None:
        rank, student_id = after
        beyond = [{_RANK: {"$lt": rank}}, {_RANK: rank, "_id": {"$lt": student_id}}]
        stages.append({"$match": {"$or": beyond}})
    return [*stages, {"$sort": {_RANK: DESCENDING, "_id": DESCENDING}}, {"$limit": limit}]


def _best_impact(word: QueryTerm) -> Document:
    impacts = [
        {"$multiply": [quality, {"$ifNull": [f"$impacts.{term}", 0]}]}
        for term, quality in word.qualities.items()
    ]
    return {"$max": impacts}


def _match_condition(query: StudentQuery) -> Document:
    demanded = query.reading.required_terms
    asked: list[Document] = [{"blocked_company_ids": {"$ne": query.company_id}}]
    if query.least is not None:
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
    """The index of the narrowest condition, as a rule; without any, `_id` gives the order."""
    indexes = (
        (query.reading.required_terms, "by_word"),
        (query.skill_keys, "by_skill"),
        (query.city_keys, "by_city"),
        (query.country, "by_country"),
    )
    return next((index for condition, index in indexes if condition), "_id_")

"""Mongo: profiles, companies' pages and the derived collection in which students are found.

A profile and its search entry live in the user's slot, a company's page in its own. Profiles and pages are
read by `_id`. Students are searched on all shards.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from google.protobuf.message import Message
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from chassis.errors import unavailable
from chassis.ids import slot_of
from chassis.messaging import Incoming
from chassis.mongo.documents import Document, from_document, to_document
from chassis.mongo.provision import CollectionSpec
from chassis.mongo.shards import OfEach, Shard, Shards
from chassis.mongo.transactions import Transaction
from services.user.domain import Company, CompanyState, Profile, StudentEntry, StudentQuery, student_entry

SCATTERS: Final = ("ProfileStore.search", "CompanyStore.in_state")
"""The queries that go to all shards."""

_MOST_RACES: Final = 5
_SEARCH_TIMEOUT_S: Final = 1.5
_LIST_TIMEOUT_S: Final = 4.0


def _search_index(name: str, *keys: str) -> IndexModel:
    return IndexModel([*((key, ASCENDING) for key in keys), ("_id", DESCENDING)], name=name)


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
        ),
    ),
)


class Record(Protocol):
    """What is kept under an ID."""

    @property
    def id(self) -> str: ...


R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Change(Generic[R]):
    """What to write (None: nothing) and what to tell, decided from what is stored."""

    record: R | None = None
    events: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """Entries in order, at most as many as were asked for; `missing` names shards that did not answer."""

    entries: list[StudentEntry]
    has_more: bool
    missing: list[str]


@dataclass(frozen=True, slots=True)
class CompanyPage:
    """Companies in order; `missing` names shards that did not answer."""

    companies: list[Company]
    missing: list[str]


class _Records(Generic[R]):
    def __init__(self, shards: Shards, kind: type[R], collection: str) -> None:
        self._shards = shards
        self._kind = kind
        self._collection = collection

    async def find(self, record_id: str) -> R | None:
        """The record under an ID."""
        found = await self._shards.of(record_id).db[self._collection].find_one({"_id": record_id})
        return from_document(self._kind, found) if found else None

    async def change(
        self,
        record_id: str,
        decide: Callable[[R | None], Change[R]],
        *,
        handling: Incoming | None = None,
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

        for _ in range(_MOST_RACES):
            try:
                return await self._shards.of(record_id).in_transaction(
                    work, handling=handling, slot=slot_of(record_id)
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


class ProfileStore(_Records[Profile]):
    """Profiles, each kept together with how it is found."""

    def __init__(self, shards: Shards) -> None:
        super().__init__(shards, Profile, "profiles")

    async def find_each(self, record_ids: Iterable[str]) -> OfEach[Profile]:
        """Those of these profiles that there are."""

        async def on_shard(shard: Shard, ids: list[str]) -> list[Profile]:
            cursor = shard.db["profiles"].find({"_id": {"$in": ids}})
            return [from_document(Profile, found) for found in await cursor.to_list()]

        return await self._shards.of_each(record_ids, on_shard)

    async def search(self, query: StudentQuery, *, after: str | None, limit: int) -> Page:
        """Students who match, the newest accounts first, from all shards; `after` is the last ID seen."""

        async def on_shard(shard: Shard) -> list[StudentEntry]:
            cursor = shard.db["student_search"].find(_filter(query, after)).sort("_id", DESCENDING)
            if index := _index_for(query):
                cursor = cursor.hint(index)
            return [from_document(StudentEntry, found) for found in await cursor.limit(limit + 1).to_list()]

        scatter = await self._shards.scatter(on_shard, _SEARCH_TIMEOUT_S)
        if not scatter.results:
            raise unavailable("The search for students")
        found = [entry for entries in scatter.results for entry in entries]
        found.sort(key=lambda entry: entry.id, reverse=True)
        return Page(found[:limit], len(found) > limit, scatter.missing)

    async def _write(self, tx: Transaction, record: Profile, *, is_new: bool) -> None:
        await super()._write(tx, record, is_new=is_new)
        entry = student_entry(record)
        if entry is None:
            await tx.db["student_search"].delete_one({"_id": record.id})
            return
        document = to_document(entry, slot=slot_of(record.id))
        await tx.db["student_search"].replace_one({"_id": record.id}, document, upsert=True)


class CompanyStore(_Records[Company]):
    """Companies' pages."""

    def __init__(self, shards: Shards) -> None:
        super().__init__(shards, Company, "companies")

    async def in_state(self, state: CompanyState | None, *, after: str, limit: int) -> CompanyPage:
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
        return CompanyPage(found[:limit], scatter.missing)


def _filter(query: StudentQuery, after: str | None) -> Document:
    wanted: Document = {"blocked_company_ids": {"$ne": query.company_id}}
    if query.words:
        wanted["words"] = {"$all": list(query.words)}
    if query.skill_keys:
        wanted["skill_keys"] = {"$all": list(query.skill_keys)}
    if query.city_key:
        wanted["city_key"] = query.city_key
    if query.country:
        wanted["country"] = query.country
    if after is not None:
        wanted["_id"] = {"$lt": after}
    return wanted


def _index_for(query: StudentQuery) -> str:
    """The index of the narrowest condition, as a rule; without any, `_id` gives the order."""
    indexes = (
        (query.words, "by_word"),
        (query.skill_keys, "by_skill"),
        (query.city_key, "by_city"),
        (query.country, "by_country"),
    )
    return next((index for condition, index in indexes if condition), "_id_")

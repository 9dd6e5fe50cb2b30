"""The search index in MongoDB: a collection derived from the listings' events, and rebuildable."""

import asyncio
from collections import Counter
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, TypeVar

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError, PyMongoError

from chassis.clock import Clock
from chassis.errors import UNAVAILABLE_REASONS, DomainError, unavailable
from chassis.ids import slot_of
from chassis.mongo.documents import Document
from chassis.search.totals import TotalEstimate, total_of_counts
from chassis.sharding.collections import ShardDatabase
from chassis.sharding.reconciler import DerivedCollectionReconciler, iterate_pages
from chassis.sharding.shard import Shard
from chassis.sharding.shards import ScatterResult, Shards
from services.internship.repository.search_collection import (
    CHANGED_INDEX,
    FORMAT_INDEX,
    SEARCH_COLLECTION,
    entry_document,
    is_expired_tombstone,
    tombstone_document,
)
from services.internship.repository.search_pipeline import (
    KeyRange,
    choose_index,
    facet_pipeline,
    match_pipeline,
    phrase_count_pipeline,
    term_count_pipeline,
    total_pipeline,
)
from services.internship.search.company_cap import RowSlice, SortKey, merge_slices
from services.internship.search.index_entry import INDEX_ENTRY_FORMAT, IndexEntry
from services.internship.search.phrases import Phrase, PhraseKind
from services.internship.search.port import (
    ChangePosition,
    ExpectedEntry,
    IndexChange,
    IndexCounts,
    Tombstone,
)
from services.internship.search.query import FacetDimension, SearchOrder, SearchQuery
from services.internship.search.requests import FacetCount, SearchHit, SearchMatch

T = TypeVar("T")

SHARD_TIMEOUT_S: Final = 1.2
"""Short enough for the call to answer with the matches of the other shards."""
COUNT_TIMEOUT_S: Final = 60.0
CHANGES_TIMEOUT_S: Final = 2.0
OUTDATED_TIMEOUT_S: Final = 60.0
MAX_FACET_COUNTS: Final = 20

_PHRASE_FIELDS: Final[Mapping[PhraseKind, str]] = {
    PhraseKind.TITLE: "title",
    PhraseKind.SKILL: "skills",
    PhraseKind.COMPANY: "company",
    PhraseKind.PLACE: "cities",
}
_CHANGE_FIELDS: Final = ("terms", "version", "index_time", *_PHRASE_FIELDS.values())


class MongoSearchIndex:
    """`SearchIndex` on the shards, each entry in the slot of its listing."""

    def __init__(self, shards: Shards, clock: Clock) -> None:
        self._shards = shards
        self._clock = clock

    async def put(self, entry: IndexEntry) -> bool:
        """Store the entry; see `SearchIndex`."""
        return await self._put_if_newer(entry_document(entry, self._clock.now()))

    async def delete(self, listing_id: str, version: int) -> bool:
        """Replace the entry by a tombstone; see `SearchIndex`."""
        now = self._clock.now()
        tombstone = Tombstone(id=listing_id, version=version, gone_time=now)
        return await self._put_if_newer(tombstone_document(tombstone, now))

    async def _put_if_newer(self, document: Document) -> bool:
        older = {"_id": document["_id"], "slot": document["slot"], "version": {"$lt": document["version"]}}
        entries = self._shards.shard_for(document["_id"]).db[SEARCH_COLLECTION]
        try:
            await entries.replace_one(older, document, upsert=True, hint="_id_")
        except DuplicateKeyError:
            return False
        return True

    def find_matches(self, query: SearchQuery) -> "ShardedMatches":
        """Return the matches of a query; see `SearchIndex`."""
        return ShardedMatches(self._shards, query, self._clock.now())

    async def count_words(self) -> IndexCounts:
        """Count terms and phrases; see `SearchIndex`."""
        with _as_unavailable():
            counted = (await self._shards.scatter(_count_shard_words, COUNT_TIMEOUT_S)).results
        terms: Counter[str] = Counter()
        for of_shard in counted:
            terms.update(of_shard.terms)
        return IndexCounts(
            terms,
            sum(of_shard.listings for of_shard in counted),
            [phrase for of_shard in counted for phrase in of_shard.phrases],
            [shard.name for shard in self._shards.all_shards()],
        )

    async def list_changes(
        self, positions: Mapping[str, ChangePosition], first: ChangePosition
    ) -> Mapping[str, list[IndexChange]]:
        """Return the partitions' changes; see `SearchIndex`. Uses the index `changed`."""

        async def list_shard_changes(shard: Shard) -> tuple[str, list[IndexChange]]:
            return shard.name, await _list_changes_since(shard.db, positions.get(shard.name, first))

        with _as_unavailable():
            return dict((await self._shards.scatter(list_shard_changes, CHANGES_TIMEOUT_S)).results)

    async def reconcile(
        self,
        expected: Sequence[ExpectedEntry],
        reread: Callable[[str], Awaitable[ExpectedEntry | None]],
        *,
        write: bool,
    ) -> int:
        """Reconcile entries with the expected ones; see `SearchIndex`."""

        async def reread_document(listing_id: str) -> Document | None:
            entry = await reread(listing_id)
            return None if entry is None else self._expected_document(entry)

        reconciler = self._reconciler(reread_document, write=write)
        return len(await reconciler.reconcile([self._expected_document(each) for each in expected]))

    async def remove(self, listing_ids: Collection[str]) -> None:
        """Delete entries; see `SearchIndex`."""
        for id_ in listing_ids:
            place = {"_id": id_, "slot": slot_of(id_)}
            await self._shards.shard_for(id_).db[SEARCH_COLLECTION].delete_one(place, hint="_id_")

    async def iterate_ids(self) -> AsyncIterator[list[str]]:
        """Yield the IDs of all entries; see `SearchIndex`. Uses the index `_id_`."""
        for shard in self._shards.all_shards():
            async for page in iterate_pages(shard.db[SEARCH_COLLECTION], {"_id": True}):
                yield [each["_id"] for each in page]

    async def list_outdated_ids(self, limit: int) -> list[str]:
        """Return IDs of outdated entries; see `SearchIndex`. Uses the index `formats`."""

        async def list_shard_outdated_ids(shard: Shard) -> list[str]:
            outdated = {"format": {"$ne": INDEX_ENTRY_FORMAT}}
            rows = shard.db[SEARCH_COLLECTION].find(outdated, {"_id": True}, hint=FORMAT_INDEX).limit(limit)
            return [row["_id"] async for row in rows]

        found = await self._shards.scatter(list_shard_outdated_ids, OUTDATED_TIMEOUT_S)
        return [id_ for ids in found.results for id_ in ids]

    def _reconciler(
        self, reread: Callable[[str], Awaitable[Document | None]], *, write: bool
    ) -> DerivedCollectionReconciler:
        return DerivedCollectionReconciler(
            self._shards,
            SEARCH_COLLECTION,
            reread,
            ignored_fields=("index_time", "gone_time"),
            # From a set, so that each process takes them in another order.
            unordered_fields=("terms",),
            is_optional=lambda expected: is_expired_tombstone(expected, self._clock.now()),
            apply=write,
        )

    def _expected_document(self, expected: ExpectedEntry) -> Document:
        now = self._clock.now()
        if isinstance(expected, Tombstone):
            return tombstone_document(expected, now)
        return entry_document(expected, now)


@contextmanager
def _as_unavailable() -> Iterator[None]:
    try:
        yield
    except PyMongoError as error:
        raise unavailable("the search index") from error


@dataclass
class ShardedMatches:
    """The matches of one query on the shards that answer; its queries go to all shards."""

    shards: Shards
    query: SearchQuery
    now: datetime
    missing: set[str] = field(default_factory=set)

    async def scan(self, after: SortKey | None, without: frozenset[str], limit: int) -> RowSlice[SearchMatch]:
        """Return the next matches; see `RowSource`. One company's matches come from its own shard."""
        part = KeyRange(after=after, without=without)

        async def scan_shard(shard: Shard) -> list[SearchMatch]:
            return await self._list_matches(shard, self.query, part, limit)

        if self.query.filters.company_id:
            parts = [await scan_shard(self.shards.shard_for(self.query.filters.company_id))]
        else:
            parts = self._results(await self.shards.scatter(scan_shard, SHARD_TIMEOUT_S))
        return merge_slices(parts, limit, descending=self.query.sort.is_descending)

    async def scan_company(
        self, company_id: str, after: SortKey, until: SortKey | None, limit: int
    ) -> list[SearchMatch]:
        """Return one company's next matches; see `RowSource`."""
        query = replace(self.query, filters=replace(self.query.filters, company_id=company_id))
        shard = self.shards.shard_for(company_id)
        try:
            return await self._list_matches(shard, query, KeyRange(after, until), limit)
        except DomainError as error:
            if error.reason not in UNAVAILABLE_REASONS:
                raise
            self.missing.add(shard.name)
            return []

    async def _list_matches(
        self, shard: Shard, query: SearchQuery, part: KeyRange, limit: int
    ) -> list[SearchMatch]:
        """Return the first matches of a part of the order; `hint` names the query's index."""
        pipeline = match_pipeline(query, part, limit, self.now)
        cursor = await shard.db.secondary_reads[SEARCH_COLLECTION].aggregate(
            pipeline, hint=choose_index(query)
        )
        return [
            SearchMatch((int(document["key"]), document["_id"]), document["company"]["key"])
            async for document in cursor
        ]

    async def load_hits(self, matches: Sequence[SearchMatch]) -> list[SearchHit]:
        """Return the hits of matches; see `QueryMatches`. Uses the index `_id_`."""
        by_shard: dict[str, list[str]] = {}
        for _, listing_id in (match.key for match in matches):
            by_shard.setdefault(self.shards.shard_for(listing_id).name, []).append(listing_id)

        async def load_shard_hits(shard: Shard) -> dict[str, SearchHit]:
            ids = by_shard.get(shard.name)
            return await _load_hits(shard.db, ids) if ids else {}

        parts = self._results(await self.shards.scatter(load_shard_hits, SHARD_TIMEOUT_S))
        hits = {listing_id: hit for part in parts for listing_id, hit in part.items()}
        return [hits[match.key[1]] for match in matches if match.key[1] in hits]

    async def count_facets(self) -> dict[FacetDimension, list[FacetCount]]:
        """Count the matches by dimension; see `QueryMatches`."""
        query = self.query
        free = [dimension for dimension in FacetDimension if query.without_dimension(dimension) == query]
        filtered = [dimension for dimension in FacetDimension if dimension not in free]
        parts = await asyncio.gather(
            *(self._count_dimensions(part) for part in [free, *([each] for each in filtered)])
        )
        counts = {dimension: count for part in parts for dimension, count in part.items()}
        return {dimension: counts[dimension] for dimension in FacetDimension}

    async def _count_dimensions(
        self, dimensions: Sequence[FacetDimension]
    ) -> dict[FacetDimension, list[FacetCount]]:
        if not dimensions:
            return {}
        query = self.query.without_dimension(dimensions[0])
        pipeline = facet_pipeline(query, dimensions, self.now)
        hint = choose_index(replace(query, sort=SearchOrder.NEWEST))

        async def count_shard_facets(shard: Shard) -> dict[FacetDimension, list[FacetCount]]:
            cursor = await shard.db.secondary_reads[SEARCH_COLLECTION].aggregate(pipeline, hint=hint)
            counted = await cursor.next()
            return {
                dimension: [
                    FacetCount(row["_id"], row["name"], row["count"]) for row in counted[dimension.value]
                ]
                for dimension in dimensions
            }

        results = self._results(await self.shards.scatter(count_shard_facets, SHARD_TIMEOUT_S))
        return {dimension: _sum_counts(result[dimension] for result in results) for dimension in dimensions}

    async def estimate_total(self, listings: int) -> TotalEstimate:
        """Count the matches; see `QueryMatches`.

        If one shard has too many, the rarest word bounds the estimate.
        """
        query = replace(self.query, sort=SearchOrder.NEWEST)
        pipeline, hint = total_pipeline(query, self.now), choose_index(query)

        async def count_shard_matches(shard: Shard) -> int:
            cursor = await shard.db.secondary_reads[SEARCH_COLLECTION].aggregate(pipeline, hint=hint)
            return next((int(row["total"]) for row in await cursor.to_list()), 0)

        if self.query.filters.company_id:
            return TotalEstimate(
                await count_shard_matches(self.shards.shard_for(self.query.filters.company_id))
            )
        counted = self._results(await self.shards.scatter(count_shard_matches, SHARD_TIMEOUT_S))
        return total_of_counts(
            counted,
            documents=listings,
            word_counts=(word.document_count for word in self.query.required_words),
            is_partial=bool(self.missing),
        )

    def _results(self, scatter: ScatterResult[T]) -> list[T]:
        if not scatter.results:
            raise unavailable("the search")
        self.missing.update(scatter.missing_shards)
        return scatter.results


async def _load_hits(db: ShardDatabase, listing_ids: Sequence[str]) -> dict[str, SearchHit]:
    query = {
        "_id": {"$in": listing_ids},
        "slot": {"$in": sorted({slot_of(id_) for id_ in listing_ids})},
        "hit": {"$exists": True},
    }
    rows = db.secondary_reads[SEARCH_COLLECTION].find(query, {"hit": True, "description": True}, hint="_id_")
    return {row["_id"]: SearchHit(row["hit"], row["description"]) async for row in rows}


def _sum_counts(parts: Iterable[Sequence[FacetCount]]) -> list[FacetCount]:
    totals: Counter[str] = Counter()
    names: dict[str, str] = {}
    for count in (count for part in parts for count in part):
        totals[count.key] += count.count
        names.setdefault(count.key, count.name)
    most = sorted(totals.items(), key=lambda total: (-total[1], total[0]))[:MAX_FACET_COUNTS]
    return [FacetCount(key, names[key], count) for key, count in most]


@dataclass(frozen=True, slots=True)
class _ShardWordCounts:
    terms: dict[str, int]
    listings: int
    phrases: list[tuple[Phrase, int]]


async def _count_shard_words(shard: Shard) -> _ShardWordCounts:
    """Count the most frequent terms and phrases; each reads the whole index, as no index helps."""
    entries = shard.db[SEARCH_COLLECTION]
    cursor = await entries.aggregate(term_count_pipeline(), allowDiskUse=True)
    terms = {row["_id"]: row["count"] async for row in cursor}
    counted = await entries.aggregate([{"$match": {"terms": {"$exists": True}}}, {"$count": "listings"}])
    listings = next((int(row["listings"]) for row in await counted.to_list()), 0)
    phrases = [phrase for kind in PhraseKind for phrase in await _count_phrases(shard, kind)]
    return _ShardWordCounts(terms, listings, phrases)


async def _count_phrases(shard: Shard, kind: PhraseKind) -> list[tuple[Phrase, int]]:
    pipeline = phrase_count_pipeline(_PHRASE_FIELDS[kind])
    cursor = await shard.db[SEARCH_COLLECTION].aggregate(pipeline, allowDiskUse=True)
    return [(Phrase(kind, row["_id"], row["name"]), row["count"]) async for row in cursor if row["_id"]]


async def _list_changes_since(db: ShardDatabase, position: ChangePosition) -> list[IndexChange]:
    query = {"index_time": {"$gte": position.since}}
    rows: AsyncIterator[dict[str, Any]] = (
        db[SEARCH_COLLECTION]
        .find(query, dict.fromkeys(_CHANGE_FIELDS, True), hint=CHANGED_INDEX)
        .sort("index_time", ASCENDING)
        .limit(position.limit)
    )
    return [
        IndexChange(
            row["_id"], row["version"], tuple(row.get("terms", ())), _phrases_in(row), row["index_time"]
        )
        async for row in rows
    ]


def _phrases_in(row: Document) -> tuple[Phrase, ...]:
    named = {kind: row.get(field, []) for kind, field in _PHRASE_FIELDS.items()}
    return tuple(
        Phrase(kind, each["key"], each["name"])
        for kind, found in named.items()
        for each in (found if isinstance(found, list) else [found])
        if each["key"]
    )

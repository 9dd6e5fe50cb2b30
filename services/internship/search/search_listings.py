"""Finding listings: one question to all shards, one page in one order."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar, cast

from chassis.call_context import remaining_s
from chassis.clock import Clock
from chassis.errors import UNAVAILABLE_REASONS, DomainError, unavailable
from chassis.page_tokens import SortValue
from chassis.search.gazetteer import Gazetteer
from chassis.search.query_parser import ParsedQuery, QueryParser
from chassis.sharding.shard import Shard
from chassis.sharding.shards import ScatterResult, Shards
from services.internship.repository import search_pipeline as store
from services.internship.repository.search_pipeline import FacetCount, KeyRange, SearchHit, SearchMatch
from services.internship.search.company_cap import (
    MAX_PER_COMPANY,
    CappedPage,
    CompanyCapCursor,
    RowSlice,
    SortKey,
    fill_page,
    merge_slices,
)
from services.internship.search.grammar import LISTING_GRAMMAR
from services.internship.search.lexicon import Lexicon
from services.internship.search.query import (
    FacetDimension,
    SearchFilters,
    SearchOrder,
    SearchQuery,
    effective_sort,
)

T = TypeVar("T")

SHARD_TIMEOUT_S = 1.2
"""Leaves the call time to answer with what the other shards have."""
MAX_FACET_COUNTS = 20


@dataclass(frozen=True, slots=True)
class TotalEstimate:
    """How many listings match; an estimate where there are too many to count, or a shard did not answer."""

    size: int = 0
    is_estimate: bool = False


@dataclass(frozen=True, slots=True)
class PageCursor:
    """Where a later page begins: the cursor, and of the first page what must stay as it was.

    That is the words' weights, how many words have to match (0: all), and the total.
    """

    cursor: CompanyCapCursor = field(default_factory=CompanyCapCursor)
    weights: tuple[int, ...] = ()
    least: int = 0
    total: TotalEstimate | None = None

    def position(self) -> list[SortValue]:
        """As a page token carries it."""
        cursor, total = self.cursor, self.total or TotalEstimate()
        value, row = cursor.position or (None, None)
        waiting = [part for company, key in cursor.waiting.items() for part in (company, *key)]
        pinned = [self.least, total.size, int(total.is_estimate), len(self.weights), *self.weights]
        return [int(cursor.exhausted), value, row, *pinned, *waiting]

    @classmethod
    def at(cls, position: Sequence[SortValue] | None) -> "PageCursor":
        """What `position` gave; the first page for None."""
        if position is None:
            return cls()
        exhausted, value, row, least, size, is_estimate, words, *rest = cast(list[int], position)
        weights, waiting = rest[:words], cast(list[str], rest[words:])
        keys = {waiting[at]: (int(waiting[at + 1]), waiting[at + 2]) for at in range(0, len(waiting), 3)}
        last = None if value is None else (value, str(row))
        cursor = CompanyCapCursor(last, bool(exhausted), keys)
        return cls(cursor, tuple(weights), least, TotalEstimate(size, bool(is_estimate)))


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """A search as it was asked for."""

    text: str
    filters: SearchFilters
    sort: SearchOrder | None
    size: int
    with_counts: bool
    is_literal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPage:
    """A page of matches, how the words were read, and what was asked about all matches.

    `is_partial` when the matches have most of the words, as none has all.
    """

    answers: list[SearchHit]
    reading: ParsedQuery
    is_partial: bool = False
    next: PageCursor | None = None
    counts: Mapping[FacetDimension, list[FacetCount]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    total: TotalEstimate = TotalEstimate()
    now: datetime


@dataclass(frozen=True)
class SearchListings:
    """The use cases of search."""

    shards: Shards
    clock: Clock
    lexicon: Lexicon
    places: Gazetteer

    async def page(self, wanted: SearchRequest, bookmark: PageCursor) -> SearchPage:
        """The page that begins at `bookmark`. Raises UNAVAILABLE when no shard answers."""
        reading = self._read(wanted, bookmark.weights)
        if reading.is_empty:
            return SearchPage(answers=[], reading=reading, now=self.clock.now())
        for question in _fallback_queries(wanted, reading, bookmark):
            found = await self._page(wanted, reading, question, bookmark)
            if found.answers or bookmark.total is not None or not _has_time_left():
                return found
        return found

    def _read(self, wanted: SearchRequest, weights: Sequence[int]) -> ParsedQuery:
        reader = QueryParser(LISTING_GRAMMAR, self.lexicon.vocabulary, self.places)
        return reader.parse(
            wanted.text,
            pinned_weights=weights,
            set_filters=_filters_in_use(wanted.filters),
            is_literal=wanted.is_literal,
        )

    async def _page(
        self, wanted: SearchRequest, reading: ParsedQuery, question: SearchQuery, bookmark: PageCursor
    ) -> SearchPage:
        source = _ShardedMatches(self.shards, question, self.clock.now())
        page, counts = await asyncio.gather(
            fill_page(
                source,
                bookmark.cursor,
                wanted.size,
                descending=question.sort.descending,
                per_company=wanted.size if wanted.filters.company_id else MAX_PER_COMPANY,
            ),
            source.counts() if wanted.with_counts else _no_counts(),
        )
        answers, total = await asyncio.gather(
            source.answers(page.rows), self._total(source, page, bookmark.total)
        )
        weights = tuple(word.weight for word in reading.terms)
        return SearchPage(
            answers=answers,
            reading=reading,
            is_partial=question.least is not None,
            next=None if page.next is None else PageCursor(page.next, weights, question.least or 0, total),
            counts=counts,
            missing=sorted(source.missing),
            total=total,
            now=source.now,
        )

    async def _total(
        self, source: "_ShardedMatches", page: CappedPage[SearchMatch], known: TotalEstimate | None
    ) -> TotalEstimate:
        """As the first page said; of a page that holds all there are, how many these are; else counted."""
        if known is not None:
            return known
        if page.next is None:
            return TotalEstimate(len(page.rows), bool(source.missing))
        return await source.total(self.lexicon.vocabulary.document_count)


def _fallback_queries(
    wanted: SearchRequest, reading: ParsedQuery, bookmark: PageCursor
) -> Iterator[SearchQuery]:
    """What is asked until something is found: all words, most of them, any; a later page as before."""
    sort = effective_sort(wanted.sort, reading.terms)
    question = SearchQuery(words=reading.terms, filters=wanted.filters, sort=sort)
    if bookmark.total is not None:
        yield replace(question, least=bookmark.least or None)
        return
    demanded = question.demanded
    yield question
    if len(demanded) > 1:
        relevant = replace(
            question, sort=effective_sort(wanted.sort, demanded) if wanted.sort else SearchOrder.RELEVANCE
        )
        yield relevant.partly()
        yield replace(relevant, least=1)


def _has_time_left() -> bool:
    """Whether the call can wait for all shards once more, and still answer in time."""
    left_s = remaining_s()
    return left_s is None or left_s > SHARD_TIMEOUT_S


def _filters_in_use(filters: SearchFilters) -> frozenset[str]:
    """The filters that are set already: words that could stand for another are words."""
    asked = {
        "city": filters.cities or filters.near,
        "country": filters.country,
        "workMode": filters.work_mode,
        "field": filters.field,
    }
    return frozenset(name for name, value in asked.items() if value)


async def _no_counts() -> dict[FacetDimension, list[FacetCount]]:
    return {}


@dataclass
class _ShardedMatches:
    """Rows of one question, from the shards that answer."""

    shards: Shards
    question: SearchQuery
    now: datetime
    missing: set[str] = field(default_factory=set)

    async def scan(self, after: SortKey | None, without: frozenset[str], limit: int) -> RowSlice[SearchMatch]:
        window = KeyRange(after=after, without=without)

        async def ask(shard: Shard) -> list[SearchMatch]:
            return await store.find_matches(shard.db, self.question, window, limit, self.now)

        if self.question.filters.company_id:
            parts = [await ask(self.shards.shard_for(self.question.filters.company_id))]
        else:
            parts = self._answers(await self.shards.scatter(ask, SHARD_TIMEOUT_S))
        return merge_slices(parts, limit, descending=self.question.sort.descending)

    async def of_company(
        self, company_id: str, after: SortKey, upto: SortKey | None, limit: int
    ) -> list[SearchMatch]:
        question = _query_for_company(self.question, company_id)
        shard = self.shards.shard_for(company_id)
        try:
            return await store.find_matches(shard.db, question, KeyRange(after, upto), limit, self.now)
        except DomainError as error:
            if error.reason not in UNAVAILABLE_REASONS:
                raise
            self.missing.add(shard.name)
            return []

    async def answers(self, rows: Sequence[SearchMatch]) -> list[SearchHit]:
        """What is shown of the rows, in their order."""
        by_shard: dict[str, list[str]] = {}
        for _, listing_id in (row.key for row in rows):
            by_shard.setdefault(self.shards.shard_for(listing_id).name, []).append(listing_id)

        async def ask(shard: Shard) -> dict[str, SearchHit]:
            ids = by_shard.get(shard.name)
            return await store.load_hits(shard.db, ids) if ids else {}

        parts = self._answers(await self.shards.scatter(ask, SHARD_TIMEOUT_S))
        shown = {listing_id: answer for part in parts for listing_id, answer in part.items()}
        return [shown[row.key[1]] for row in rows if row.key[1] in shown]

    async def counts(self) -> dict[FacetDimension, list[FacetCount]]:
        """What matches are counted by; every dimension leaves out its own filter."""
        question = self.question
        free = [dimension for dimension in FacetDimension if question.without(dimension) == question]
        filtered = [dimension for dimension in FacetDimension if dimension not in free]
        parts = await asyncio.gather(*(self._counts(part) for part in [free, *([each] for each in filtered)]))
        counts = {dimension: found for part in parts for dimension, found in part.items()}
        return {dimension: counts[dimension] for dimension in FacetDimension}

    async def total(self, listings: int) -> TotalEstimate:
        """How many match; where one shard has too many to count, what the rarest word lets expect."""

        async def ask(shard: Shard) -> int:
            return await store.count_matches(shard.db, self.question, self.now)

        if self.question.filters.company_id:
            return TotalEstimate(await ask(self.shards.shard_for(self.question.filters.company_id)))
        counted = self._answers(await self.shards.scatter(ask, SHARD_TIMEOUT_S))
        if max(counted) <= store.MAX_COUNTED_MATCHES:
            return TotalEstimate(sum(counted), bool(self.missing))
        expected = min((listings, *(word.document_count for word in self.question.demanded)))
        return TotalEstimate(max(sum(counted), expected), is_estimate=True)

    async def _counts(self, dimensions: Sequence[FacetDimension]) -> dict[FacetDimension, list[FacetCount]]:
        if not dimensions:
            return {}
        question = self.question.without(dimensions[0])

        async def ask(shard: Shard) -> dict[FacetDimension, list[FacetCount]]:
            return await store.count_facets(shard.db, question, dimensions, self.now)

        answers = self._answers(await self.shards.scatter(ask, SHARD_TIMEOUT_S))
        return {dimension: _sum_counts(answer[dimension] for answer in answers) for dimension in dimensions}

    def _answers(self, scatter: ScatterResult[T]) -> list[T]:
        if not scatter.results:
            raise unavailable("the search")
        self.missing.update(scatter.missing_shards)
        return scatter.results


def _query_for_company(question: SearchQuery, company_id: str) -> SearchQuery:
    return replace(question, filters=replace(question.filters, company_id=company_id))


def _sum_counts(parts: Iterable[Sequence[FacetCount]]) -> list[FacetCount]:
    totals: Counter[str] = Counter()
    names: dict[str, str] = {}
    for count in (count for part in parts for count in part):
        totals[count.key] += count.count
        names.setdefault(count.key, count.name)
    most = sorted(totals.items(), key=lambda total: (-total[1], total[0]))[:MAX_FACET_COUNTS]
    return [FacetCount(key, names[key], count) for key, count in most]

"""Finding listings: one question to all shards, one page in one order."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar, cast

from chassis.caller import remaining_s
from chassis.clock import Clock
from chassis.errors import NOT_ANSWERING, DomainError, unavailable
from chassis.mongo.shards import Scatter, Shard, Shards
from chassis.paging import Scalar
from chassis.search.places import Gazetteer
from chassis.search.reading import Reader, Reading
from services.internship.search.query import Dimension, Filters, Question, Sort, effective_sort
from services.internship.search.spread import PER_COMPANY, Cursor, Key, Page, Slice, fill, merge
from services.internship.search.words import GRAMMAR
from services.internship.store import search as store
from services.internship.store.search import Answer, Count, Row, Window

from .lexicon import Lexicon

T = TypeVar("T")

SHARD_TIMEOUT_S = 1.2
"""Leaves the call time to answer with what the other shards have."""
MOST_COUNTS = 20


@dataclass(frozen=True, slots=True)
class Total:
    """How many listings match; an estimate where there are too many to count, or a shard did not answer."""

    size: int = 0
    is_estimate: bool = False


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Where a later page begins: the cursor, and of the first page what must stay as it was.

    That is the words' weights, how many words have to match (0: all), and the total.
    """

    cursor: Cursor = field(default_factory=Cursor)
    weights: tuple[int, ...] = ()
    least: int = 0
    total: Total | None = None

    def position(self) -> list[Scalar]:
        """As a page token carries it."""
        cursor, total = self.cursor, self.total or Total()
        value, row = cursor.position or (None, None)
        waiting = [part for company, key in cursor.waiting.items() for part in (company, *key)]
        pinned = [self.least, total.size, int(total.is_estimate), len(self.weights), *self.weights]
        return [int(cursor.exhausted), value, row, *pinned, *waiting]

    @classmethod
    def at(cls, position: Sequence[Scalar] | None) -> "Bookmark":
        """What `position` gave; the first page for None."""
        if position is None:
            return cls()
        exhausted, value, row, least, size, is_estimate, words, *rest = cast(list[int], position)
        weights, waiting = rest[:words], cast(list[str], rest[words:])
        keys = {waiting[at]: (int(waiting[at + 1]), waiting[at + 2]) for at in range(0, len(waiting), 3)}
        last = None if value is None else (value, str(row))
        cursor = Cursor(last, bool(exhausted), keys)
        return cls(cursor, tuple(weights), least, Total(size, bool(is_estimate)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A search as it was asked for."""

    text: str
    filters: Filters
    sort: Sort | None
    size: int
    with_counts: bool
    is_literal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A page of matches, how the words were read, and what was asked about all matches.

    `is_partial` when the matches have most of the words, as none has all.
    """

    answers: list[Answer]
    reading: Reading
    is_partial: bool = False
    next: Bookmark | None = None
    counts: Mapping[Dimension, list[Count]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    total: Total = Total()
    now: datetime


@dataclass(frozen=True)
class Finding:
    """The use cases of search."""

    shards: Shards
    clock: Clock
    lexicon: Lexicon
    places: Gazetteer

    async def page(self, wanted: Wanted, bookmark: Bookmark) -> Found:
        """The page that begins at `bookmark`. Raises UNAVAILABLE when no shard answers."""
        reading = self._read(wanted, bookmark.weights)
        if reading.is_empty:
            return Found(answers=[], reading=reading, now=self.clock.now())
        for question in _questions(wanted, reading, bookmark):
            found = await self._page(wanted, reading, question, bookmark)
            if found.answers or bookmark.total is not None or not _has_time():
                return found
        return found

    def _read(self, wanted: Wanted, weights: Sequence[int]) -> Reading:
        reader = Reader(GRAMMAR, self.lexicon.vocabulary, self.places)
        return reader.read(
            wanted.text, weights=weights, taken=_taken(wanted.filters), is_literal=wanted.is_literal
        )

    async def _page(self, wanted: Wanted, reading: Reading, question: Question, bookmark: Bookmark) -> Found:
        source = _Source(self.shards, question, self.clock.now())
        page, counts = await asyncio.gather(
            fill(
                source,
                bookmark.cursor,
                wanted.size,
                descending=question.sort.descending,
                per_company=wanted.size if wanted.filters.company_id else PER_COMPANY,
            ),
            source.counts() if wanted.with_counts else _nothing(),
        )
        answers, total = await asyncio.gather(
            source.answers(page.rows), self._total(source, page, bookmark.total)
        )
        weights = tuple(word.weight for word in reading.words)
        return Found(
            answers=answers,
            reading=reading,
            is_partial=question.least is not None,
            next=None if page.next is None else Bookmark(page.next, weights, question.least or 0, total),
            counts=counts,
            missing=sorted(source.missing),
            total=total,
            now=source.now,
        )

    async def _total(self, source: "_Source", page: Page[Row], known: Total | None) -> Total:
        """As the first page said; of a page that holds all there are, how many these are; else counted."""
        if known is not None:
            return known
        if page.next is None:
            return Total(len(page.rows), bool(source.missing))
        return await source.total(self.lexicon.vocabulary.listings)


def _questions(wanted: Wanted, reading: Reading, bookmark: Bookmark) -> Iterator[Question]:
    """What is asked until something is found: all words, most of them, any; a later page as before."""
    sort = effective_sort(wanted.sort, reading.words)
    question = Question(words=reading.words, filters=wanted.filters, sort=sort)
    if bookmark.total is not None:
        yield replace(question, least=bookmark.least or None)
        return
    demanded = question.demanded
    yield question
    if len(demanded) > 1:
        relevant = replace(
            question, sort=effective_sort(wanted.sort, demanded) if wanted.sort else Sort.RELEVANCE
        )
        yield relevant.partly()
        yield replace(relevant, least=1)


def _has_time() -> bool:
    """Whether the call can wait for all shards once more, and still answer in time."""
    left_s = remaining_s()
    return left_s is None or left_s > SHARD_TIMEOUT_S


def _taken(filters: Filters) -> frozenset[str]:
    """The filters that are set already: words that could stand for another are words."""
    asked = {
        "city": filters.cities or filters.near,
        "country": filters.country,
        "workMode": filters.work_mode,
        "field": filters.field,
    }
    return frozenset(name for name, value in asked.items() if value)


async def _nothing() -> dict[Dimension, list[Count]]:
    return {}


@dataclass
class _Source:
    """Rows of one question, from the shards that answer."""

    shards: Shards
    question: Question
    now: datetime
    missing: set[str] = field(default_factory=set)

    async def scan(self, after: Key | None, without: frozenset[str], limit: int) -> Slice[Row]:
        window = Window(after=after, without=without)

        async def ask(shard: Shard) -> list[Row]:
            return await store.matches(shard.db, self.question, window, limit, self.now)

        if self.question.filters.company_id:
            parts = [await ask(self.shards.of(self.question.filters.company_id))]
        else:
            parts = self._answers(await self.shards.scatter(ask, SHARD_TIMEOUT_S))
        return merge(parts, limit, descending=self.question.sort.descending)

    async def of_company(self, company_id: str, after: Key, upto: Key | None, limit: int) -> list[Row]:
        question = _of_company(self.question, company_id)
        shard = self.shards.of(company_id)
        try:
            return await store.matches(shard.db, question, Window(after, upto), limit, self.now)
        except DomainError as error:
            if error.reason not in NOT_ANSWERING:
                raise
            self.missing.add(shard.name)
            return []

    async def answers(self, rows: Sequence[Row]) -> list[Answer]:
        """What is shown of the rows, in their order."""
        by_shard: dict[str, list[str]] = {}
        for _, listing_id in (row.key for row in rows):
            by_shard.setdefault(self.shards.of(listing_id).name, []).append(listing_id)

        async def ask(shard: Shard) -> dict[str, Answer]:
            ids = by_shard.get(shard.name)
            return await store.answers(shard.db, ids) if ids else {}

        parts = self._answers(await self.shards.scatter(ask, SHARD_TIMEOUT_S))
        shown = {listing_id: answer for part in parts for listing_id, answer in part.items()}
        return [shown[row.key[1]] for row in rows if row.key[1] in shown]

    async def counts(self) -> dict[Dimension, list[Count]]:
        """What matches are counted by; every dimension leaves out its own filter."""
        question = self.question
        free = [dimension for dimension in Dimension if question.without(dimension) == question]
        filtered = [dimension for dimension in Dimension if dimension not in free]
        parts = await asyncio.gather(*(self._counts(part) for part in [free, *([each] for each in filtered)]))
        counts = {dimension: found for part in parts for dimension, found in part.items()}
        return {dimension: counts[dimension] for dimension in Dimension}

    async def total(self, listings: int) -> Total:
        """How many match; where one shard has too many to count, what the rarest word lets expect."""

        async def ask(shard: Shard) -> int:
            return await store.total(shard.db, self.question, self.now)

        if self.question.filters.company_id:
            return Total(await ask(self.shards.of(self.question.filters.company_id)))
        counted = self._answers(await self.shards.scatter(ask, SHARD_TIMEOUT_S))
        if max(counted) <= store.MOST_COUNTED:
            return Total(sum(counted), bool(self.missing))
        expected = min((listings, *(word.listings for word in self.question.demanded)))
        return Total(max(sum(counted), expected), is_estimate=True)

    async def _counts(self, dimensions: Sequence[Dimension]) -> dict[Dimension, list[Count]]:
        if not dimensions:
            return {}
        question = self.question.without(dimensions[0])

        async def ask(shard: Shard) -> dict[Dimension, list[Count]]:
            return await store.counts(shard.db, question, dimensions, self.now)

        answers = self._answers(await self.shards.scatter(ask, SHARD_TIMEOUT_S))
        return {dimension: _added(answer[dimension] for answer in answers) for dimension in dimensions}

    def _answers(self, scatter: Scatter[T]) -> list[T]:
        if not scatter.results:
            raise unavailable("the search")
        self.missing.update(scatter.missing)
        return scatter.results


def _of_company(question: Question, company_id: str) -> Question:
    return replace(question, filters=replace(question.filters, company_id=company_id))


def _added(parts: Iterable[Sequence[Count]]) -> list[Count]:
    totals: Counter[str] = Counter()
    names: dict[str, str] = {}
    for count in (count for part in parts for count in part):
        totals[count.key] += count.count
        names.setdefault(count.key, count.name)
    most = sorted(totals.items(), key=lambda total: (-total[1], total[0]))[:MOST_COUNTS]
    return [Count(key, names[key], count) for key, count in most]

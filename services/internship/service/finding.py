"""Finding listings: one question to all shards, one page in one order."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar, cast

from chassis.clock import Clock
from chassis.errors import NOT_ANSWERING, DomainError, unavailable
from chassis.mongo.shards import Scatter, Shard, Shards
from chassis.paging import Scalar
from services.internship.search.query import (
    Dimension,
    Filters,
    Question,
    Sort,
    Word,
    effective_sort,
    read_words,
)
from services.internship.search.spread import PER_COMPANY, Cursor, Key, Slice, fill, merge
from services.internship.store import search as store
from services.internship.store.search import Answer, Count, Row, Window

from .lexicon import Lexicon

T = TypeVar("T")

SHARD_TIMEOUT_S = 1.2
"""Leaves the call time to answer with what the other shards have."""
MOST_COUNTS = 20


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Where a later page begins: the cursor, and the words' weights, which keep its order as it was."""

    cursor: Cursor = field(default_factory=Cursor)
    weights: tuple[int, ...] = ()

    def position(self) -> list[Scalar]:
        """As a page token carries it."""
        cursor = self.cursor
        value, row = cursor.position or (None, None)
        waiting = [part for company, key in cursor.waiting.items() for part in (company, *key)]
        return [int(cursor.exhausted), value, row, len(self.weights), *self.weights, *waiting]

    @classmethod
    def at(cls, position: Sequence[Scalar] | None) -> "Bookmark":
        """What `position` gave; the first page for None."""
        if position is None:
            return cls()
        exhausted, value, row, words, *rest = cast(list[int], position)
        weights, waiting = rest[:words], cast(list[str], rest[words:])
        keys = {waiting[at]: (int(waiting[at + 1]), waiting[at + 2]) for at in range(0, len(waiting), 3)}
        last = None if value is None else (value, str(row))
        return cls(Cursor(last, bool(exhausted), keys), tuple(weights))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A search as it was asked for."""

    text: str
    filters: Filters
    sort: Sort | None
    size: int
    with_counts: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A page of matches, the words they were matched by, and what was asked about all matches."""

    answers: list[Answer]
    words: tuple[Word, ...]
    next: Bookmark | None
    counts: Mapping[Dimension, list[Count]]
    missing: list[str]
    now: datetime


@dataclass(frozen=True)
class Finding:
    """The use cases of search."""

    shards: Shards
    clock: Clock
    lexicon: Lexicon

    async def page(self, wanted: Wanted, bookmark: Bookmark) -> Found:
        """The page that begins at `bookmark`. Raises UNAVAILABLE when no shard answers."""
        words = read_words(wanted.text, self.lexicon.vocabulary, bookmark.weights)
        question = Question(words=words, filters=wanted.filters, sort=effective_sort(wanted.sort, words))
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
        weights = tuple(word.weight for word in words)
        return Found(
            answers=await source.answers(page.rows),
            words=words,
            next=None if page.next is None else Bookmark(page.next, weights),
            counts=counts,
            missing=sorted(source.missing),
            now=source.now,
        )


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
        filters = self.question.filters
        free = [dimension for dimension in Dimension if filters.without(dimension) == filters]
        filtered = [dimension for dimension in Dimension if dimension not in free]
        parts = await asyncio.gather(*(self._counts(part) for part in [free, *([each] for each in filtered)]))
        counts = {dimension: found for part in parts for dimension, found in part.items()}
        return {dimension: counts[dimension] for dimension in Dimension}

    async def _counts(self, dimensions: Sequence[Dimension]) -> dict[Dimension, list[Count]]:
        if not dimensions:
            return {}
        filters = self.question.filters.without(dimensions[0])
        question = replace(self.question, filters=filters)

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

"""A search as it is asked for, the page that answers it, and the cursor of the next page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from chassis.page_tokens import SortValue
from chassis.search.query_parser import ParsedQuery
from services.internship.search.company_cap import CompanyCapCursor, SortKey
from services.internship.search.query import FacetDimension, SearchFilters, SearchOrder


@dataclass(frozen=True, slots=True)
class SearchMatch:
    """A match: its place in the order, and its company."""

    key: SortKey
    company_id: str


@dataclass(frozen=True, slots=True)
class SearchHit:
    """The shown part of a match: the serialized hit, and the text from which a snippet is cut."""

    hit: bytes
    description: str


@dataclass(frozen=True, slots=True)
class FacetCount:
    """How many matches have a value, by its key and a spelling of it."""

    key: str
    name: str
    count: int


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
    min_words: int = 0
    total: TotalEstimate | None = None

    def to_position(self) -> list[SortValue]:
        """Return the values that a page token carries."""
        cursor, total = self.cursor, self.total or TotalEstimate()
        value, row = cursor.position or (None, None)
        waiting = [part for company, key in cursor.waiting.items() for part in (company, *key)]
        pinned = [self.min_words, total.size, int(total.is_estimate), len(self.weights), *self.weights]
        return [int(cursor.exhausted), value, row, *pinned, *waiting]

    @classmethod
    def from_position(cls, position: Sequence[SortValue] | None) -> "PageCursor":
        """Return the cursor of `to_position`'s values; the first page for None."""
        if position is None:
            return cls()
        exhausted, value, row, min_words, size, is_estimate, words, *rest = cast(list[int], position)
        weights, waiting = rest[:words], cast(list[str], rest[words:])
        keys = {waiting[at]: (int(waiting[at + 1]), waiting[at + 2]) for at in range(0, len(waiting), 3)}
        last = None if value is None else (value, str(row))
        cursor = CompanyCapCursor(last, bool(exhausted), keys)
        return cls(cursor, tuple(weights), min_words, TotalEstimate(size, bool(is_estimate)))


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
    """A page of matches, how the words were read, and the facets and total of all matches.

    `is_partial` when the matches have most of the words, as none has all; `missing` names shards that did not
    answer.
    """

    hits: list[SearchHit]
    reading: ParsedQuery
    is_partial: bool = False
    next: PageCursor | None = None
    facets: Mapping[FacetDimension, list[FacetCount]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    total: TotalEstimate = TotalEstimate()
    now: datetime

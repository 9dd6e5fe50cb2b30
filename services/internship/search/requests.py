"""A search request, its page, and the cursor of the next page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, cast

from chassis.page_tokens import SortValue
from chassis.search.query_parser import ParsedQuery
from chassis.search.totals import NO_TOTAL, TotalEstimate
from services.internship.search.company_cap import CompanyCapCursor, SortKey
from services.internship.search.query import FacetDimension, SearchFilters, SearchOrder


@dataclass(frozen=True, slots=True)
class SearchMatch:
    """A match: its position in the order, and its company."""

    key: SortKey
    company_id: str


@dataclass(frozen=True, slots=True)
class SearchHit:
    """The shown part of a match: the serialized hit, and the text that a snippet is cut from."""

    hit: bytes
    description: str


@dataclass(frozen=True, slots=True)
class FacetCount:
    """The number of matches with a value, by its key and a spelling of it."""

    key: str
    name: str
    count: int


WORDLESS: Final = -1


@dataclass(frozen=True, slots=True)
class PageCursor:
    """The begin of a later page, and the values of the first page that must not change.

    That is the words' weights, how many words have to match (0: all; `WORDLESS`: none), and the total.
    """

    cursor: CompanyCapCursor = field(default_factory=CompanyCapCursor)
    weights: tuple[int, ...] = ()
    min_words: int = 0
    total: TotalEstimate | None = None

    def to_position(self) -> list[SortValue]:
        """Return the values for a page token."""
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
    """A search as requested."""

    text: str
    filters: SearchFilters
    sort: SearchOrder | None
    size: int
    with_counts: bool
    is_literal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPage:
    """A page of matches, the interpretation of the words, and the facets and total of all matches.

    `is_partial` when the matches have most of the words, as none has all; `missing` names shards that did not
    answer.
    """

    hits: list[SearchHit]
    reading: ParsedQuery
    is_partial: bool = False
    next: PageCursor | None = None
    facets: Mapping[FacetDimension, list[FacetCount]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    total: TotalEstimate = NO_TOTAL
    now: datetime

"""The use case of search: a query to the index, and one page of its matches."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from chassis.call_context import remaining_s
from chassis.clock import Clock
from chassis.search.gazetteer import Gazetteer
from chassis.search.query_parser import ParsedQuery, QueryParser
from chassis.search.totals import TotalEstimate
from services.internship.search.company_cap import MAX_PER_COMPANY, CappedPage, fill_page
from services.internship.search.grammar import LISTING_GRAMMAR
from services.internship.search.lexicon import Lexicon
from services.internship.search.port import QueryMatches, SearchIndex
from services.internship.search.query import (
    FacetDimension,
    SearchFilters,
    SearchOrder,
    SearchQuery,
    effective_sort,
)
from services.internship.search.requests import (
    WORDLESS,
    FacetCount,
    PageCursor,
    SearchMatch,
    SearchPage,
    SearchRequest,
)

MAX_INDEX_ANSWER_S = 1.2
"""The longest time for the index to answer; the rest of the call's time is for answering with partial
results."""


@dataclass(frozen=True)
class SearchListings:
    """The use case of search."""

    index: SearchIndex
    clock: Clock
    lexicon: Lexicon
    places: Gazetteer

    async def search(self, request: SearchRequest, cursor: PageCursor) -> SearchPage:
        """Return the page that begins at `cursor`. Raises UNAVAILABLE when no shard answers.

        When no listing has all words, listings with fewer of them are searched while the call has time left.
        """
        reading = self._parse_text(request, cursor.weights)
        if reading.is_empty:
            return SearchPage(hits=[], reading=reading, now=self.clock.now())
        for query in _fallback_queries(request, reading, cursor):
            page = await self._find_page(request, reading, query, cursor)
            if page.hits or cursor.total is not None or not _has_time_left():
                break
        return page if page.hits and query.words else replace(page, reading=replace(reading, did_you_mean=""))

    def _parse_text(self, request: SearchRequest, weights: Sequence[int]) -> ParsedQuery:
        parser = QueryParser(LISTING_GRAMMAR, self.lexicon.vocabulary, self.places)
        return parser.parse(
            request.text,
            pinned_weights=weights,
            set_filters=_filters_in_use(request.filters),
            is_literal=request.is_literal,
        )

    async def _find_page(
        self, request: SearchRequest, reading: ParsedQuery, query: SearchQuery, cursor: PageCursor
    ) -> SearchPage:
        matches = self.index.find_matches(query)
        page, facets = await asyncio.gather(
            fill_page(
                matches,
                cursor.cursor,
                request.size,
                descending=query.sort.is_descending,
                per_company=request.size if request.filters.company_id else MAX_PER_COMPANY,
            ),
            matches.count_facets() if request.with_counts else _no_facets(),
        )
        hits, total = await asyncio.gather(
            matches.load_hits(page.rows), self._total(matches, page, cursor.total)
        )
        weights = tuple(word.weight for word in reading.terms)
        return SearchPage(
            hits=hits,
            reading=reading,
            is_partial=query.min_words is not None,
            next=None
            if page.next is None
            else PageCursor(page.next, weights, _pinned_min_words(query), total),
            facets=facets,
            missing=sorted(matches.missing),
            total=total,
            now=matches.now,
        )

    async def _total(
        self, matches: QueryMatches, page: CappedPage[SearchMatch], known: TotalEstimate | None
    ) -> TotalEstimate:
        """Return the first page's total; for a page with all matches its size; else count."""
        if known is not None:
            return known
        if page.next is None:
            return TotalEstimate(len(page.rows), bool(matches.missing))
        return await matches.estimate_total(self.lexicon.vocabulary.document_count)


def _fallback_queries(
    request: SearchRequest, reading: ParsedQuery, cursor: PageCursor
) -> Iterator[SearchQuery]:
    """Yield queries until one has matches: all words, most of them, any, none; a later page as before.

    None have to match only beside words that every listing means: those still ask for listings.
    """
    sort = effective_sort(request.sort, reading.terms)
    query = SearchQuery(words=reading.terms, filters=request.filters, sort=sort)
    without_words = replace(query, words=(), min_words=0, sort=effective_sort(request.sort, ()))
    if cursor.total is not None:
        is_wordless = cursor.min_words == WORDLESS
        yield without_words if is_wordless else replace(query, min_words=cursor.min_words or None)
        return
    required_words = query.required_words
    yield query
    if len(required_words) > 1:
        relevant = replace(
            query,
            sort=effective_sort(request.sort, required_words) if request.sort else SearchOrder.RELEVANCE,
        )
        yield relevant.with_most_words()
        yield replace(relevant, min_words=1)
    if required_words and reading.has_implied_words:
        yield without_words


def _pinned_min_words(query: SearchQuery) -> int:
    return WORDLESS if query.min_words == 0 else query.min_words or 0


def _has_time_left() -> bool:
    """Return whether the call can wait for the index once more, and still answer in time."""
    left_s = remaining_s()
    return left_s is None or left_s > MAX_INDEX_ANSWER_S


def _filters_in_use(filters: SearchFilters) -> frozenset[str]:
    """Return the filters that are set already: words that could stand for another are plain words."""
    asked = {
        "city": filters.cities or filters.near,
        "country": filters.country,
        "workMode": filters.work_mode,
        "field": filters.field,
        "duration": filters.min_duration_weeks or filters.max_duration_weeks,
    }
    return frozenset(name for name, value in asked.items() if value)


async def _no_facets() -> dict[FacetDimension, list[FacetCount]]:
    return {}

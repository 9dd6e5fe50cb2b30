"""The searches that follow when no listing has what was asked for."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from chassis.clock import FixedClock
from chassis.search.gazetteer import shared_gazetteer
from chassis.search.totals import TotalEstimate
from chassis.search.vocabulary import Vocabulary
from services.internship.search.company_cap import RowSlice
from services.internship.search.query import SearchFilters, SearchOrder, SearchQuery
from services.internship.search.requests import PageCursor, SearchHit, SearchMatch, SearchPage, SearchRequest
from services.internship.search.search_listings import SearchListings

NOW = datetime(2027, 3, 1, tzinfo=UTC)
VOCABULARY = Vocabulary({"python": 2, "marketing": 1}, 3)


@dataclass
class _Matches:
    rows: list[SearchMatch]
    now: datetime = NOW
    missing: set[str] = field(default_factory=set)

    async def scan(self, after: Any, without: Any, limit: int) -> RowSlice[SearchMatch]:
        rows = [row for row in self.rows if after is None or row.key < after]
        return RowSlice(rows[:limit], is_complete=len(rows) <= limit)

    async def load_hits(self, matches: list[SearchMatch]) -> list[SearchHit]:
        return [SearchHit(match.key[1].encode(), "") for match in matches]

    async def estimate_total(self, listings: int) -> TotalEstimate:
        return TotalEstimate(len(self.rows))


@dataclass
class _Index:
    """Three listings, two of which are about Python and one about marketing."""

    queries: list[SearchQuery] = field(default_factory=list)

    def find_matches(self, query: SearchQuery) -> _Matches:
        self.queries.append(query)
        words = ({"python"}, {"python"}, {"marketing"})
        return _Matches(
            [
                SearchMatch((number, f"int_{number}"), f"cmp_{number}")
                for number, known in reversed(list(enumerate(words)))
                if self._is_match(query, known)
            ]
        )

    def _is_match(self, query: SearchQuery, known: set[str]) -> bool:
        found = sum(not known.isdisjoint(word.qualities) for word in query.required_words)
        return found >= (len(query.required_words) if query.min_words is None else query.min_words)


@dataclass
class _Lexicon:
    vocabulary: Vocabulary = VOCABULARY


async def search(text: str, cursor: PageCursor | None = None, size: int = 20, **filters: Any) -> SearchPage:
    index: Any = _Index()
    lexicon: Any = _Lexicon()
    request = SearchRequest(
        text=text, filters=SearchFilters(**filters), sort=None, size=size, with_counts=False
    )
    use_case = SearchListings(index, FixedClock(NOW), lexicon, shared_gazetteer())
    return await use_case.search(request, cursor or PageCursor())


@pytest.mark.parametrize(
    "text", ["foobar internship", "internship foobar ", "foobar bazqux praktikum", "stage foobar"]
)
async def test_an_unknown_word_beside_words_that_every_listing_means_empties_no_list(text: str) -> None:
    page = await search(text)
    assert (len(page.hits), page.is_partial, page.total) == (3, True, TotalEstimate(3))
    assert page.reading.did_you_mean == ""


async def test_an_unknown_word_alone_finds_nothing() -> None:
    page = await search("foobar ")
    assert (page.hits, page.is_partial) == ([], False)


async def test_a_misspelt_word_beside_such_words_is_corrected_first() -> None:
    page = await search("makreting internship")
    assert (len(page.hits), page.is_partial) == (1, False)
    assert page.reading.did_you_mean == "marketing internship"


async def test_the_next_page_asks_for_no_word_either() -> None:
    first = await search("foobar internship", size=2)
    assert first.next is not None
    cursor = PageCursor.from_position(first.next.to_position())
    second = await search("foobar internship", cursor, size=2)
    assert [hit.hit for hit in (*first.hits, *second.hits)] == [b"int_2", b"int_1", b"int_0"]
    assert (second.is_partial, second.total) == (True, TotalEstimate(3))


async def test_without_words_the_newest_come_first() -> None:
    index: Any = _Index()
    lexicon: Any = _Lexicon()
    request = SearchRequest(
        text="foobar internship", filters=SearchFilters(), sort=None, size=5, with_counts=False
    )
    await SearchListings(index, FixedClock(NOW), lexicon, shared_gazetteer()).search(request, PageCursor())
    assert [query.sort for query in index.queries] == [SearchOrder.RELEVANCE, SearchOrder.NEWEST]

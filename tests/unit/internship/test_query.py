"""The order of answers, and what a query asks without one of its parts."""

from dataclasses import replace

from chassis.search.query_parser import QueryTerm
from chassis.search.query_segmentation import ImpliedFilter
from services.internship.search.query import (
    FacetDimension,
    SearchFilters,
    SearchOrder,
    SearchQuery,
    effective_sort,
)

PYTHON = QueryTerm("python", {"python": 1}, 1, 1)
REMOTE = QueryTerm(
    "remote", {"%remote": 1}, 1, 1, filters=(ImpliedFilter("workMode", "WORK_MODE_REMOTE", "%remote"),)
)


def test_relevance_without_words_to_measure_it_by_is_newest() -> None:
    assert effective_sort(None, ()) is effective_sort(SearchOrder.RELEVANCE, (REMOTE,)) is SearchOrder.NEWEST
    assert effective_sort(None, (PYTHON, REMOTE)) is SearchOrder.RELEVANCE
    assert effective_sort(SearchOrder.PAY, (PYTHON,)) is SearchOrder.PAY


def test_without_a_dimension_neither_its_filter_nor_its_words_are_asked() -> None:
    query = SearchQuery(words=(PYTHON, REMOTE), filters=SearchFilters(cities=("%1",)))
    assert query.without_dimension(FacetDimension.WORK_MODE).words == (PYTHON,)
    assert query.without_dimension(FacetDimension.CITY) == replace(query, filters=SearchFilters())
    assert query.without_dimension(FacetDimension.SKILL) == query


def test_most_of_the_words_is_at_least_half() -> None:
    words = tuple(replace(PYTHON, text=str(number)) for number in range(5))
    assert [SearchQuery(words=words[:count]).with_most_words().min_words for count in (2, 3, 4, 5)] == [
        1,
        2,
        2,
        3,
    ]

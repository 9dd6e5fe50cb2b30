"""What the answer of each search says of its query."""

from chassis.search.query_messages import (
    EMPTY_QUERY_NOTE,
    applied_filters_to_messages,
    match_kind_number,
    query_note,
)
from chassis.search.query_parser import ParsedQuery, QueryTerm
from chassis.search.query_segmentation import ImpliedFilter
from internshipconnect.common.v1 import common_pb2 as common

CITY = QueryTerm("berne", {"%1": 1}, 1, 1, filters=(ImpliedFilter("city", "Bern", "%1"),))
WORD = QueryTerm("python", {"python": 1}, 1, 1)
RANKING_WORD = QueryTerm("good", {"good": 1}, 1, 1, is_required=False)


def test_a_word_that_filters_is_named_with_the_filter_that_it_stands_for() -> None:
    assert applied_filters_to_messages(ParsedQuery((WORD, CITY))) == [
        common.AppliedFilter(name="city", value="Bern", text="berne")
    ]


def test_a_partial_match_is_told_from_one_of_all_words_and_from_a_query_that_demands_none() -> None:
    kinds = [
        match_kind_number(ParsedQuery((WORD,)), is_partial=True),
        match_kind_number(ParsedQuery((WORD,)), is_partial=False),
        match_kind_number(ParsedQuery((RANKING_WORD,)), is_partial=False),
    ]
    assert kinds == [common.MATCH_KIND_PARTIAL, common.MATCH_KIND_ALL, common.MATCH_KIND_UNSPECIFIED]


def test_only_a_query_without_a_word_gets_a_note() -> None:
    assert query_note(ParsedQuery(is_empty=True)) == EMPTY_QUERY_NOTE
    assert query_note(ParsedQuery((WORD,))) == ""

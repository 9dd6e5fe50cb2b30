"""What the answer of each search says of its query, in the contract's common messages."""

from typing import Final

from chassis.search.query_parser import ParsedQuery
from internshipconnect.common.v1 import common_pb2 as common

EMPTY_QUERY_NOTE: Final = "q holds no word that could be looked for: type letters or digits"


def applied_filters_to_messages(reading: ParsedQuery) -> list[common.AppliedFilter]:
    """Return the filters that words stand for."""
    return [
        common.AppliedFilter(name=meaning.name, value=meaning.value, text=word.text)
        for word in reading.terms
        for meaning in word.filters
    ]


def match_kind_number(reading: ParsedQuery, *, is_partial: bool) -> "common.MatchKind.ValueType":
    """Return whether what was found has all words that the query demands, or most of them."""
    if is_partial:
        return common.MATCH_KIND_PARTIAL
    return common.MATCH_KIND_ALL if reading.required_terms else common.MATCH_KIND_UNSPECIFIED


def query_note(reading: ParsedQuery) -> str:
    """Return what to tell the caller of the query; "" for nothing."""
    return EMPTY_QUERY_NOTE if reading.is_empty else ""

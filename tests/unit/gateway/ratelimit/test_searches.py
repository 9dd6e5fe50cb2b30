"""What counts as one search."""

import pytest

from gateway.ratelimit.request_parser import MAX_VALUE_CHARS
from gateway.ratelimit.searches import (
    MAX_CONTINUATIONS,
    MAX_TYPING_PAUSE_S,
    SearchFingerprint,
    TypingSession,
    find_search,
)

SECOND_US = 1_000_000
PATH = "/api/v1/internships"


def search(query: str) -> SearchFingerprint:
    return SearchFingerprint.from_path(f"{PATH}?{query}")


def continues(first: str, second: str, after_s: int = 1) -> bool:
    return TypingSession(search(first), 0).continue_with(search(second), after_s * SECOND_US) is not None


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("q=py", "q=pyt"),
        ("q=python", "q=py"),
        ("q=python", "q=python&pageToken=abc"),
        ("q=python&pageToken=abc", "q=python&page_token=def&pageSize=50"),
        ("q=Python", "q=pYTHON+berlin"),
        ("q=m%C3%BCn", "q=m%C3%BCnchen"),
        ("", "pageToken=abc"),
        ("city=Berlin&q=a", "q=ab&city=Berlin"),
        ("q=python&withFacets=true", "q=python"),
    ],
)
def test_what_is_typed_or_turned_on_is_one_search(first: str, second: str) -> None:
    assert continues(first, second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("q=python", "q=java"),
        ("q=python", "q=python&city=Berlin"),
        ("q=", "q=python"),
        ("q=python", ""),
        ("q=a&q=python", "q=python&q=a1"),
        ("q=python&sort=INTERNSHIP_SORT_PAY", "q=python"),
    ],
)
def test_another_text_or_filter_is_another_search(first: str, second: str) -> None:
    assert not continues(first, second)


def test_students_are_another_search_than_listings() -> None:
    typing = TypingSession(search("q=python"), 0)
    assert typing.continue_with(SearchFingerprint.from_path("/api/v1/students/search?q=python"), 1) is None


def test_a_typing_session_ends_with_a_pause_and_after_a_number_of_requests() -> None:
    assert continues("q=a", "q=ab", after_s=MAX_TYPING_PAUSE_S)
    assert not continues("q=a", "q=ab", after_s=MAX_TYPING_PAUSE_S + 1)
    typing: TypingSession | None = TypingSession(search("q=a"), 0)
    for _ in range(MAX_CONTINUATIONS):
        assert typing is not None
        typing = typing.continue_with(search("q=ab"), typing.at_us + 1)
    assert typing is not None
    assert typing.continue_with(search("q=a"), typing.at_us + 1) is None


@pytest.mark.parametrize(
    "path", ["", "?", "//[", "/?" + "a&" * 500, "/?q=" + "x" * MAX_VALUE_CHARS, "/?q=%ff%00"]
)
def test_no_path_breaks_the_limiter(path: str) -> None:
    found = find_search([(("class", "SEARCH"), ("search", path))])
    assert found is None or len(found.text) <= 200

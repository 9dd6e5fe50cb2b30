"""Words, stems and vocabulary."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.internship.search.query import (
    COMPLETED,
    CORRECTED,
    EXACT,
    STEMMED,
    Sort,
    effective_sort,
    read_words,
)
from services.internship.search.text import STOPWORDS, analysed, key_of, terms_of, words_of
from services.internship.search.vocabulary import Vocabulary


def words(text: str) -> list[str]:
    return [word for word, _ in map(analysed, words_of(text))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Zürich ZURICH Zu\u0308rich", ["zurich"] * 3),
        ("C++, C# and R", ["c++", "c#", "and", "r"]),
        ("node.js / T-SQL", ["node", "js", "t", "sql"]),
        ("snake_case", ["snake", "case"]),
        ("Straße", ["strasse"]),
        ("Москва 東京", ["москва", "東京"]),
        ("+++ ## --", []),
    ],
)
def test_texts_become_folded_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_english_endings_share_a_stem() -> None:
    assert terms_of("engineering") & terms_of("engineers") == {"~engin"}


def test_names_are_the_same_whatever_their_spelling() -> None:
    assert key_of("  Máchine   LEARNING ") == key_of("machine learning")


@given(st.text(max_size=80))
def test_terms_are_safe_as_field_names(text: str) -> None:
    for term in terms_of(text):
        assert term
        assert not set(term) & {".", "$", "\0"}


VOCABULARY = Vocabulary(
    {"python": 9, "pytest": 2, "engineering": 5, "~engin": 7, "berlin": 4, "kubernetes": 1, "sql": 3}, 10
)


def qualities(text: str) -> list[dict[str, int]]:
    return [word.qualities for word in read_words(text, VOCABULARY)]


def test_the_last_word_may_be_unfinished() -> None:
    assert qualities("pyt") == [{"pytest": COMPLETED, "python": COMPLETED, "pyt": EXACT}]
    assert "python" not in qualities("pyt berlin")[0]
    assert "python" not in qualities("pyt ")[0]


def test_a_word_stands_for_its_stem_too() -> None:
    assert qualities("engineers ") == [{"~engin": STEMMED, "engin": STEMMED, "engineers": EXACT}]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("pyhton", "python"), ("pythn", "python"), ("berln", "berlin"), ("kuberntes", "kubernetes"),
     ("kubrentes", "kubernetes")],
)  # fmt: skip
def test_small_misspellings_are_forgiven(typed: str, meant: str) -> None:
    assert meant in qualities(typed + " ")[0]


@pytest.mark.parametrize("typed", ["sqk", "pxtxon", "kxbxrnxtes"])
def test_short_words_and_big_misspellings_are_not(typed: str) -> None:
    assert set(qualities(typed + " ")[0]) <= {typed, "~" + typed}


def test_a_known_word_is_not_corrected() -> None:
    assert CORRECTED not in qualities("pytest ")[0].values()


def test_stopwords_are_left_out_unless_there_is_nothing_else() -> None:
    assert [word.text for word in read_words("python in Berlin ", VOCABULARY)] == ["python", "berlin"]
    assert [word.text for word in read_words("in ", VOCABULARY)] == ["in"]
    assert "for" in STOPWORDS


def test_rare_words_weigh_more_and_pinned_weights_stay() -> None:
    python, kubernetes = read_words("python kubernetes ", VOCABULARY)
    assert kubernetes.weight > python.weight
    assert [word.weight for word in read_words("python kubernetes ", VOCABULARY, [3, 4])] == [3, 4]


def test_counting_one_more_listing_makes_its_words_known() -> None:
    grown = Vocabulary({"python": 1}, 1)
    assert grown.completions("rus") == []
    grown.add({"rust", "~rust"})
    assert (grown.completions("rus"), grown.count("rust")) == (["rust"], 1)


def test_relevance_without_words_is_newest() -> None:
    some = read_words("python", VOCABULARY)
    assert effective_sort(None, ()) is effective_sort(Sort.RELEVANCE, ()) is Sort.NEWEST
    assert effective_sort(None, some) is Sort.RELEVANCE
    assert effective_sort(Sort.PAY, some) is Sort.PAY

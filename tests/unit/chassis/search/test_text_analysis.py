"""Words, stems and vocabulary, in any script."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.search.text_analysis import (
    WORD_PATTERN,
    analyze_word,
    compose_nfc,
    find_words,
    index_terms,
    name_key,
    split_words,
    tokenize,
)
from chassis.search.vocabulary import Vocabulary


def words(text: str) -> list[str]:
    return [token.folded for token in tokenize(compose_nfc(text))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Zürich ZURICH Zu\u0308rich", ["zurich"] * 3),
        ("C++, C# and R", ["c++", "c#", "and", "r"]),
        ("C++17/C++20", ["c++17", "c++20"]),
        ("node.js / T-SQL .NET ASP.NET", ["nodejs", "t", "sql", "dotnet", "aspnet"]),
        ("snake_case", ["snake", "case"]),
        ("Straße Łódź Ørsted Gdańsk Işık Đà Nẵng æther", ["strasse", "lodz", "orsted", "gdansk", "isik", "da", "nang", "aether"]),
        ("İstanbul ISTANBUL", ["istanbul"] * 2),
        ("Ｐｙｔｈｏｎ", ["python"]),
        ("Москва Стажёр", ["москва", "стажер"]),
        ("東京でPythonのインターン", ["東京", "で", "python", "の", "インターン"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("ทำงานที่กรุงเทพ", ["ทำงานที่กรุงเทพ".replace("ำ", "ํา")]),
        ("مُهَنْدِس أحمد", ["مهندس", "احمد"]),
        ("co\u00adoperation نیم\u200cفاصله", ["cooperation", "نيمفاصله"]),
        ("+++ ## -- 🚀 !!!", []),
    ],
)  # fmt: skip
def test_texts_become_folded_words_in_any_script(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_vowel_signs_neither_split_words_nor_vanish() -> None:
    assert len(split_words("विश्लेषण")) == 1
    assert words("कल") != words("काल")


def test_english_endings_share_a_stem_and_so_do_russian_ones() -> None:
    assert "~engin" in index_terms("engineering") & index_terms("engineers")
    assert analyze_word("разработчика")[1] == analyze_word("разработчик")[1] != ""


def test_words_inside_a_text_without_spaces_are_found_by_their_letters() -> None:
    assert {"機械", "械学", "学習"} <= index_terms("機械学習エンジニア")
    assert index_terms("ตลาด") < index_terms("การตลาด") | {"ตลาด"}


def test_a_hyphen_joins_and_parts() -> None:
    assert {"e", "commerce", "ecommerce"} - index_terms("E-Commerce") == set()


def test_names_are_the_same_whatever_their_spelling() -> None:
    assert name_key("  Máchine   LEARNING ") == name_key("machine learning")


@given(st.text(max_size=80))
def test_terms_are_safe_as_field_names(text: str) -> None:
    for term in index_terms(text):
        assert term
        assert not set(term) & {".", "$", "\0"}


VOCABULARY = Vocabulary(
    {"python": 9, "pytest": 2, "engineering": 5, "~engin": 7, "berlin": 4, "kubernetes": 1, "sql": 3}, 10
)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("pyhton", "python"), ("pythn", "python"), ("berln", "berlin"), ("kuberntes", "kubernetes"),
     ("kubrentes", "kubernetes")],
)  # fmt: skip
def test_small_misspellings_are_near_a_word(typed: str, meant: str) -> None:
    assert VOCABULARY.corrections(typed)[0].word == meant


@pytest.mark.parametrize("typed", ["sqk", "pxtxon", "kxbxrnxtes"])
def test_short_words_and_big_misspellings_are_not(typed: str) -> None:
    assert VOCABULARY.corrections(typed) == []


def test_counting_one_more_listing_makes_its_words_known() -> None:
    grown = Vocabulary({"python": 1}, 1)
    assert grown.completions("rus") == []
    grown.add({"rust", "~rust", "=rust", "%DE"})
    assert (grown.completions("rus"), grown.count("rust")) == (["rust"], 1)
    assert grown.completions("%") == []


@given(
    st.text(st.sampled_from("aZn7.+# -_\njsnetJSNET"), max_size=16)
    | st.text(st.characters(max_codepoint=127))
)
def test_the_words_of_an_ascii_text_are_those_of_the_pattern_for_all_scripts(text: str) -> None:
    by_all_scripts = [match.span() for match in WORD_PATTERN.finditer(text)]

    assert [match.span() for match in find_words(text)] == by_all_scripts

"""What a hit shows of why it was found."""

import re
from html import unescape

from hypothesis import given
from hypothesis import strategies as st

from chassis.search.gazetteer import distance_km, shared_gazetteer
from chassis.search.query_parser import QueryParser
from chassis.search.query_segmentation import QueryGrammar
from chassis.search.text_analysis import compose_nfc
from chassis.search.vocabulary import Vocabulary
from services.internship.search.highlight import MAX_SNIPPET_CHARS, Highlighter

READER = QueryParser(QueryGrammar(frozenset()), Vocabulary(), shared_gazetteer())
HIGHLIGHTER = Highlighter(READER.parse("engineers zurich ", is_literal=True).terms)
highlight, snippet, matched_words = HIGHLIGHTER.highlight, HIGHLIGHTER.snippet, HIGHLIGHTER.matched_words


def test_matches_are_marked_and_everything_else_is_escaped() -> None:
    assert (
        highlight("<b>Engineering</b> & Zürich")
        == "&lt;b&gt;<em>Engineering</em>&lt;/b&gt; &amp; <em>Zürich</em>"
    )


def test_a_passage_is_cut_where_most_words_are() -> None:
    text = "engineer " + "filler " * 100 + "an engineer in Zürich " + "filler " * 100
    cut = snippet(text)
    assert "<em>engineer</em> in <em>Zürich</em>" in cut
    assert cut.startswith("…")
    assert cut.endswith("…")


def test_without_matches_the_passage_is_the_beginning() -> None:
    assert snippet("Plain text.") == "Plain text."
    assert snippet("") == ""


def test_found_words_keep_the_texts_spelling() -> None:
    assert matched_words("Engineer, engineer and Engineering") == ["engineer", "Engineering"]


def test_distance_is_as_the_crow_flies() -> None:
    assert round(distance_km(52.52, 13.405, 48.137, 11.575)) == 504
    assert distance_km(10, 20, 10, 20) == 0


parts = st.lists(st.sampled_from(["engineer", "<em>", "Zürich", "&amp;", "\n"]), max_size=8)


@given(st.text(max_size=60), parts)
def test_marking_adds_nothing_but_marks(noise: str, pieces: list[str]) -> None:
    text = noise.join(["", *pieces, ""])
    assert unescape(re.sub("</?em>", "", highlight(text))) == compose_nfc(text)
    assert len(unescape(re.sub("</?em>", "", snippet(text)))) <= MAX_SNIPPET_CHARS + 2

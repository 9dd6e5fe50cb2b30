"""How a search is read: which words are demanded, which filter, which only rank."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.search.gazetteer import shared_gazetteer
from chassis.search.query_parser import (
    COMPLETED,
    CORRECTED,
    EXACT,
    RELATED,
    STEMMED,
    ParsedQuery,
    QueryParser,
)
from chassis.search.vocabulary import Vocabulary
from services.internship.search.grammar import LISTING_GRAMMAR

VOCABULARY = Vocabulary(
    {
        "python": 9, "pytest": 2, "engineering": 5, "~engin": 7, "berlin": 4, "kubernetes": 1, "sql": 3,
        "machine": 3, "learning": 3, "~learn": 3, "=machine-learning": 3, "=go": 2, "go": 6, "=r": 2,
        "airflow": 4, "=airflow": 4, "=artificial-intelligence": 2, "=data-science": 5, "=information-technology": 2,
        "=backend": 3, "%2950159": 4, "%2867714": 2, "%DE": 6, "%remote": 5, "reading": 6, "%2639577": 1,
        "internal": 2, "ecommerce": 1, "commerce": 2, "%US-CA": 1, "%5391959": 1,
    },
    10,
)  # fmt: skip


def read(text: str, **options: Any) -> ParsedQuery:
    return QueryParser(LISTING_GRAMMAR, VOCABULARY, shared_gazetteer()).parse(text, **options)


def demanded(text: str, **options: Any) -> list[str]:
    return [word.text for word in read(text, **options).required_terms]


def filters(text: str, **options: Any) -> list[tuple[str, str]]:
    return [(each.name, each.value) for word in read(text, **options).terms for each in word.filters]


def qualities(text: str) -> dict[str, int]:
    return read(text).terms[0].qualities


@pytest.mark.parametrize(
    ("text", "asks_for", "named"),
    [
        ("internship", [], []),
        ("Praktikum", [], []),
        ("summer internship", [], []),
        ("python summer intern", ["python"], []),
        ("python internship", ["python"], []),
        ("python internship in amsterdam", ["python", "amsterdam"], [("city", "Amsterdam")]),
        ("remote python", ["remote", "python"], [("workMode", "WORK_MODE_REMOTE")]),
        ("home office, unpaid", ["home office", "unpaid"], [("workMode", "WORK_MODE_REMOTE"), ("paid", "false")]),
        ("data scientist", ["data scientist"], [("field", "Data Science")]),
        ("backend developer", ["backend developer"], [("field", "Backend")]),
        ("germany", ["germany"], [("country", "DE")]),
        ("machine learning berlin", ["machine learning", "berlin"], [("city", "Berlin")]),
        ("MÜNCHEN or berlin", ["MÜNCHEN, berlin"], [("city", "Munich"), ("city", "Berlin")]),
        ("jobs for students near me", [], []),
        ("remote sensing", ["remote", "sensing"], []),
        ("reading", ["reading"], []),
        ("python in reading", ["python", "reading"], [("city", "Reading")]),
        ("join us", ["join"], []),
        ("python sf", ["python", "sf"], [("city", "San Francisco")]),
        ("ny internship", ["ny"], [("city", "New York City")]),
        ("internship in sales", ["sales"], []),
        ("sales berlin", ["sales", "berlin"], [("city", "Berlin")]),
        ("google internship", ["google"], []),
        ("python in the US", ["python", "US"], [("country", "US")]),
        ("london canada", ["london", "canada"], [("city", "London"), ("country", "CA")]),
        ("東京 インターン", ["東京"], [("city", "Tokyo")]),
        # Words of other languages for what each listing is, and for whom.
        ("prácticas", [], []), ("pasantía Berlin", ["Berlin"], [("city", "Berlin")]), ("estágio", [], []), ("stajı", [], []),
        ("tirocinio", [], []), ("stagiaire", [], []), ("インターン", [], []), ("実習", [], []), ("Werkstudentin", [], []),
        ("working student python", ["python"], []), ("co-op", [], []), ("python coop", ["python"], []),
        ("trainee placement", [], []), ("praktikant (m/w/d)", [], []), ("python (f/m/x)", ["python"], []), ("stage H/F", [], []),
        # Facts in fields.
        ("part-time", ["part time"], [("employment", "EMPLOYMENT_PART_TIME")]),
        ("full time python", ["full time", "python"], [("employment", "EMPLOYMENT_FULL_TIME")]),
        ("Teilzeit", ["Teilzeit"], [("employment", "EMPLOYMENT_PART_TIME")]),
        ("3 months internship", ["3 months"], [("duration", "12-14")]),
        ("python 8-12 weeks", ["python", "8 12 weeks"], [("duration", "8-12")]),
        ("six month internship", ["six month"], [("duration", "24-27")]),
        ("20h per week", ["20h"], [("hours", "20")]), ("2 years experience", ["2", "years", "experience"], []),
        # Countries whose names or codes are ordinary words, too.
        ("us", ["us"], [("country", "US")]), ("internship us", ["us"], [("country", "US")]),
        ("python us", ["python", "us"], [("country", "US")]), ("us internships", ["us"], [("country", "US")]),
        ("work with us", [], []), ("about us", ["about"], []), ("python in de", ["python", "de"], [("country", "DE")]),
        ("python DE", ["python", "DE"], [("country", "DE")]), ("analista de python", ["analista", "python"], []),
        ("jobs IN berlin", ["berlin"], [("city", "Berlin")]), ("internship IN", ["IN"], [("country", "IN")]),
        ("python OR sql", ["python", "sql"], []), ("jobs near me", [], []), ("san francisco CA", ["san francisco", "CA"],
         [("city", "San Francisco"), ("region", "California")]),
        ("python it", ["python"], []), ("internship in it", ["it"], [("field", "Information Technology")]),
        # Towns that are called like ordinary words.
        ("time", ["time"], []), ("spring", ["spring"], []), ("java spring", ["java", "spring"], []),
    ],
)  # fmt: skip
def test_words_for_facts_act_as_filters_and_words_for_every_listing_ask_nothing(
    text: str, asks_for: list[str], named: list[tuple[str, str]]
) -> None:
    assert demanded(text) == asks_for
    assert filters(text) == named


WITH_STARTS = Vocabulary(
    {"python": 9, "spring": 1, "%starts-summer": 3, "%starts-autumn": 1, "%starts-2027": 4, "fail": 3}, 10
)


def read_with_starts(text: str) -> ParsedQuery:
    return QueryParser(LISTING_GRAMMAR, WITH_STARTS, shared_gazetteer()).parse(text)


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("summer internship", ["summer"]), ("sommer praktikum", ["summer"]), ("internship summer 2027", ["summer 2027"]),
        ("2027 summer python", ["summer 2027"]), ("fall internship", ["autumn"]), ("spring internship", ["spring"]),
        ("internship winter 2026/27", ["winter 2026"]), ("stage été", ["summer"]), ("夏 インターン", ["summer"]),
        ("internship in may", ["may"]), ("june or july 2027", ["june 2027", "july 2027"]), ("internship 2027", ["2027"]),
        ("Q3 2027", ["q3 2027"]), ("python ab september", ["september"]), ("java spring", []), ("spring boot", []),
        ("you may", []), ("march of python", []), ("python, this year", []),
    ],
)  # fmt: skip
def test_words_for_a_time_are_about_the_start_where_listings_say_when_they_start(
    text: str, start: list[str]
) -> None:
    found = [
        each.value for word in read_with_starts(text).terms for each in word.filters if each.name == "start"
    ]
    assert found == start


@pytest.mark.parametrize(
    "text", ["winter internship", "internship summer 2027", "fall internship", "internship in may", "2027"]
)
def test_words_for_a_time_ask_nothing_where_no_listing_says_when_it_starts(text: str) -> None:
    assert demanded(text) == []


def test_a_listing_without_a_start_is_not_excluded_by_a_season() -> None:
    [summer] = read_with_starts("summer internship").required_terms
    assert {"%starts-any", "%starts-summer"} <= summer.qualities.keys()


@pytest.mark.parametrize("text", ["fall", "sound", "house"])
def test_a_short_word_is_no_misspelling_of_another_word(text: str) -> None:
    vocabulary = Vocabulary({"fail": 3, "found": 3, "mouse": 2, "horse": 2}, 10, name_words=["mouse"])
    assert not vocabulary.corrections(text)


def test_london_in_canada_is_not_london_in_england() -> None:
    place = next(word for word in read("london canada").terms if word.text == "london")
    assert place.filters[0].term == "%6058560"


@pytest.mark.parametrize("text", ["IT", "it", "it internship", "IT python", "it support"])
def test_it_in_capitals_alone_or_in_front_is_the_field(text: str) -> None:
    assert ("field", "Information Technology") in filters(text)


def test_it_among_other_words_is_the_pronoun() -> None:
    assert filters("python and it works") == []


def test_a_filter_that_is_set_already_leaves_its_words_words() -> None:
    assert filters("python berlin ", set_filters=frozenset({"city"})) == []
    assert demanded("python berlin ", set_filters=frozenset({"city"})) == ["python", "berlin"]


def test_taken_literally_every_word_is_a_word() -> None:
    assert filters("remote data scientist internship berlin", is_literal=True) == []
    assert demanded("remote internship in berlin ", is_literal=True) == ["remote", "internship", "berlin"]


@pytest.mark.parametrize("text", ["golang", "Go", "GO", "go"])
def test_a_name_is_known_by_its_aliases_and_is_not_the_word(text: str) -> None:
    assert "=go" in qualities(text)
    assert "go" not in qualities(text)


def test_ai_is_no_beginning_of_airflow() -> None:
    assert qualities("ai") == {
        "=artificial-intelligence": EXACT,
        "=machine-learning": RELATED,
        "ai": 1_100_000,
    }


@pytest.mark.parametrize(
    "text",
    ["machine", "machine l", "machine le", "python r", "python i", "python in", "python int", "python inte",
     "python intern", "python z", "python re", "python remo"],
)  # fmt: skip
def test_a_word_that_is_just_begun_demands_nothing(text: str) -> None:
    assert demanded(text)[:1] == [text.split(maxsplit=1)[0]]
    assert len(demanded(text)) == 1


def test_the_last_word_may_be_unfinished() -> None:
    assert qualities("pyt") == {"pytest": COMPLETED, "python": COMPLETED, "pyt": EXACT}
    assert "python" not in qualities("pyt berlin")
    assert "python" not in qualities("pyt ")


def test_a_word_stands_for_its_stem_and_its_kin_too() -> None:
    found = qualities("engineers ")
    assert (found["engineers"], found["~engin"]) == (EXACT, STEMMED)
    assert qualities("analyst ")["analytics"] == RELATED


def test_a_misspelling_is_corrected_and_said_so() -> None:
    reading = read("pyhton berln ")
    assert reading.terms[0].qualities["python"] == CORRECTED
    assert reading.did_you_mean == "python berlin"
    assert read("python ").did_you_mean == ""


def test_a_hyphen_makes_no_difference() -> None:
    assert "ecommerce" in qualities("e-commerce ")


@pytest.mark.parametrize("text", ["🚀", "!!!", ".*", "- / -", "\u200b\u200d"])
def test_nothing_but_symbols_is_nothing_to_look_for(text: str) -> None:
    assert read(text).is_empty


def test_no_text_is_no_search() -> None:
    assert not read("").is_empty
    assert not read("   ").is_empty


def test_rare_words_weigh_more_and_pinned_weights_stay() -> None:
    python, kubernetes = read("python kubernetes ").terms
    assert kubernetes.weight > python.weight
    assert [word.weight for word in read("python kubernetes ", pinned_weights=[3, 4]).terms] == [3, 4]


@given(st.text(max_size=200))
def test_any_text_can_be_read_and_asks_only_for_terms_that_are_safe(text: str) -> None:
    reading = read(text)
    assert len(reading.terms) <= 10
    for word in reading.terms:
        assert word.qualities
        for term in word.qualities:
            assert term and not set(term) & {".", "$", "\0"}

"""Name, address, phone number, links and place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.search.gazetteer import Gazetteer
from services.user.domain.profile import Location
from services.user.domain.resumes.contacts import read_email, read_links, read_name, read_phone, read_place
from services.user.domain.resumes.text import TextLine


def lines(*texts: str) -> list[TextLine]:
    return [TextLine(text, 10) for text in texts]


@pytest.mark.parametrize(
    ("text", "email"),
    [
        ("E-Mail: sam.okafor@example.org", "sam.okafor@example.org"),
        ("sam.okafor (at) example.org", "sam.okafor@example.org"),
        ("sam [at] example [dot] org", "sam@example.org"),
        ("+49 30 23125417 | sam@mail.example.net | Berlin", "sam@mail.example.net"),
    ],
)
def test_an_address_is_found_however_it_is_written(text: str, email: str) -> None:
    found = read_email(lines(text), ())

    assert found is not None
    assert found.value == email
    assert found.source == text


def test_an_address_that_is_divided_in_a_narrow_column_is_put_together() -> None:
    found = read_email(lines("katharina.auental@", "beispiel.example"), ())

    assert found is not None
    assert found.value == "katharina.auental@beispiel.example"


def test_an_address_behind_a_link_counts() -> None:
    found = read_email(lines("Write me"), ("mailto:sam@example.org?subject=Hi",))

    assert found is not None
    assert found.value == "sam@example.org"


@pytest.mark.parametrize(
    ("text", "regions", "number"),
    [
        ("Tel. +49 (0)30 23125-417", (), "+493023125417"),
        ("030 / 23125 417", ("DE",), "+493023125417"),
        ("0171/3920034", ("DE",), "+491713920034"),
        ("+44 20 7946 0123", ("DE",), "+442079460123"),
        ("(202) 555-0143", ("US",), "+12025550143"),
        ("202.555.0143", ("US",), "+12025550143"),
    ],
)
def test_a_phone_number_is_given_in_e164(text: str, regions: tuple[str, ...], number: str) -> None:
    found = read_phone(lines(text), regions)

    assert found is not None
    assert found.value == number


@pytest.mark.parametrize("text", ["2021 – 2024", "10115 Berlin", "01.10.2003", "Room 4711", "1234567"])
def test_other_numbers_are_no_phone_numbers(text: str) -> None:
    assert read_phone(lines(text), ("DE",)) is None


def test_a_number_with_its_country_is_more_certain_than_one_without() -> None:
    with_country, without = (
        read_phone(lines("+49 30 23125417"), ()),
        read_phone(lines("030 23125417"), ("DE",)),
    )

    assert with_country is not None
    assert without is not None
    assert with_country.confidence > without.confidence


def test_a_separator_at_the_end_of_a_line_divides_no_link() -> None:
    found = read_links(lines("github.com/samokafor  /", "https://sam.example.org"), ())

    assert [link.value.url for link in found] == ["https://github.com/samokafor", "https://sam.example.org"]


def test_links_are_found_with_and_without_their_scheme_and_each_once() -> None:
    found = read_links(
        lines(
            "linkedin.com/in/sam-okafor | https://sam.example.org",
            "www.github.com/samokafor sam@example.org Node.js",
        ),
        ("https://www.linkedin.com/in/sam-okafor/", "mailto:sam@example.org", "javascript:alert(1)"),
    )

    assert [(link.value.label, link.value.url) for link in found] == [
        ("LinkedIn", "https://www.linkedin.com/in/sam-okafor"),
        ("Website", "https://sam.example.org"),
        ("GitHub", "https://www.github.com/samokafor"),
    ]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("Musterstraße 12, 10115 Berlin", Location("Berlin", "", "DE")),
        ("London, UK", Location("London", "", "GB")),
        ("Boston, MA", Location("Boston", "MA", "US")),
        ("220 Sample Avenue, Seattle, WA 98101", Location("Seattle", "WA", "US")),
        ("Wohnort: Köln", Location("Köln", "", "DE")),
        ("8001 Zürich", Location("Zürich", "", "CH")),
        ("60311 Frankfurt am\nMain", Location("Frankfurt am Main", "", "DE")),
        ("+49 30 23125417 | sam@example.org | Hamburg, Deutschland", Location("Hamburg", "", "DE")),
    ],
)
def test_the_place_is_found_in_an_address(text: str, place: Location, places: Gazetteer) -> None:
    found = read_place(lines(*text.split("\n")), places)

    assert found is not None
    assert found.value == place


@pytest.mark.parametrize("text", ["Geburtsort: Berlin", "University of Manchester", "Sam Okafor", ""])
def test_other_places_are_not_where_a_person_lives(text: str, places: Gazetteer) -> None:
    assert read_place(lines(text), places) is None


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        (("Sam Okafor", "Computer science student"), "Sam Okafor"),
        (("CURRICULUM VITAE", "SAM OKAFOR"), "Sam Okafor"),
        (("Lebenslauf", "Name: Katharina von Auental"), "Katharina von Auental"),
        (("Dr. Anna-Lena Vogt", "anna@example.org"), "Anna-Lena Vogt"),
        (("Grace O'Donnell, BSc",), "Grace O'Donnell"),
        (("Software Engineer", "Zoë Hartnell"), "Zoë Hartnell"),
    ],
)
def test_the_name_is_the_line_that_looks_like_one(
    texts: tuple[str, ...], name: str, places: Gazetteer
) -> None:
    found = read_name(lines(*texts), "", places)

    assert found is not None
    assert found.value == name


def test_a_name_that_the_address_holds_is_more_certain(places: Gazetteer) -> None:
    alone, confirmed = (
        read_name(lines("Sam Okafor"), email, places) for email in ("", "sam.okafor@example.org")
    )

    assert alone is not None
    assert confirmed is not None
    assert confirmed.confidence > alone.confidence


def test_a_name_on_two_large_lines_is_put_together(places: Gazetteer) -> None:
    found = read_name([TextLine("SAM", 24), TextLine("OKAFOR", 24), TextLine("Berlin", 10)], "", places)

    assert found is not None
    assert found.value == "Sam Okafor"


@given(texts=st.lists(st.text(max_size=80), max_size=6), targets=st.lists(st.text(max_size=40), max_size=3))
def test_no_text_makes_the_rules_fail(texts: list[str], targets: list[str], places: Gazetteer) -> None:
    given_lines = lines(*texts)
    read_email(given_lines, targets)
    read_phone(given_lines, ("DE",))
    read_links(given_lines, targets)
    read_place(given_lines, places)
    read_name(given_lines, "", places)

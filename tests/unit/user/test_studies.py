import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.user.domain.studies import (
    MonthWindow,
    field_alternatives,
    field_terms,
    graduation_months,
    month_window,
    school_words,
)


def months(year: int, month: int) -> int:
    return year * 12 + month - 1


def overlap(one: MonthWindow, other: MonthWindow) -> bool:
    return one.first <= other.last and other.first <= one.last


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        (["2027-06"], MonthWindow(months(2027, 6), months(2027, 6))),
        (["2027"], MonthWindow(months(2027, 1), months(2027, 12))),
        (["2027-06-30"], MonthWindow(months(2027, 6), months(2027, 6))),
        (["2024-09", "2027-03", ""], MonthWindow(months(2027, 3), months(2027, 3))),
        ([""], None),
        ([], None),
    ],
)
def test_the_end_of_the_last_studies_is_known_by_the_month(
    ends: list[str], expected: MonthWindow | None
) -> None:
    assert graduation_months(ends) == expected


def test_a_window_is_open_where_nothing_is_said() -> None:
    assert month_window("", "") is None
    since, until = month_window("2027-06", ""), month_window("", "2027-06")
    assert since is not None and until is not None
    june = MonthWindow(months(2027, 6), months(2027, 6))
    july = MonthWindow(months(2027, 7), months(2027, 7))
    assert overlap(since, june) and overlap(since, july)
    assert overlap(until, june) and not overlap(until, july)


@given(st.integers(1000, 2999), st.integers(1, 12))
def test_a_month_lies_in_the_window_that_it_bounds_and_in_its_year(year: int, month: int) -> None:
    text = f"{year:04}-{month:02}"
    window, year_alone = month_window(text, text), graduation_months([f"{year:04}"])
    assert window is not None and year_alone is not None
    assert window == graduation_months([text])
    assert overlap(window, year_alone)


@pytest.mark.parametrize(
    "wanted", ["TU Berlin", "berlin", "Technische Universität", "technische universitat"]
)
def test_a_school_is_found_by_its_words_in_any_spelling(wanted: str) -> None:
    known = school_words(["Technische Universität Berlin (TU)", "Gymnasium am See"])
    assert set(school_words([wanted])) <= set(known)


def test_words_that_every_name_has_find_no_school() -> None:
    assert school_words(["The University of"]) == ("university",)
    assert school_words([""]) == ()


@pytest.mark.parametrize(
    ("area", "wanted", "is_found"),
    [
        ("Computer Science", "computer science", True),
        ("Maschinenbau", "Mechanical Engineering", True),
        ("Mechanical Engineering and Design", "engineering", True),
        ("Physik", "physics", True),
        ("Physics", "chemistry", False),
        ("", "physics", False),
    ],
)
def test_a_subject_is_found_by_its_words_or_by_the_field_that_it_names(
    area: str, wanted: str, is_found: bool
) -> None:
    known = set(field_terms([area]))
    assert any(set(terms) <= known for terms in field_alternatives(wanted)) == is_found


def test_no_subject_is_no_condition() -> None:
    assert field_alternatives("") == field_alternatives("!!!") == ()

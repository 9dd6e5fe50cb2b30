"""Under which times something is indexed that begins within some days."""

import pytest

from chassis.search.time_words import ANY_START_TERM, StartWindow


@pytest.mark.parametrize(
    ("first", "last", "found", "missed"),
    [
        ("2027-06-10", "2027-07-25", ["summer", "2027-summer", "june", "2027-july", "2027", "q2", "2027-q3"],
         ["spring", "2026", "august", "winter"]),
        ("2027-05-20", "2027-05-31", ["summer", "spring", "2027-may"], ["2027-june"]),
        ("2026-12-20", "2027-01-05", ["2026-winter", "2027-winter", "2026-december", "2027-january", "2026", "2027"],
         ["summer"]),
        ("2027-06-01", "", ["2027-june", "2028-may", "winter"], ["2028-june"]),
        ("", "2027-06-30", ["2027-june", "2026-july"], ["2026-june"]),
    ],
)  # fmt: skip
def test_a_start_window_is_found_by_each_of_its_times(
    first: str, last: str, found: list[str], missed: list[str]
) -> None:
    terms = StartWindow(first, last).terms
    assert {f"%starts-{time}" for time in found} <= terms
    assert terms.isdisjoint(f"%starts-{time}" for time in missed)


def test_summer_is_in_december_south_of_the_equator() -> None:
    terms = StartWindow("2026-12-10", "2026-12-20", is_southern=True).terms
    assert "%starts-summer" in terms
    assert "%starts-winter" not in terms


def test_what_does_not_say_when_it_begins_begins_at_any_time() -> None:
    assert StartWindow("", "").terms == {ANY_START_TERM}


def test_a_window_of_many_years_is_bounded() -> None:
    assert len(StartWindow("2027-01-01", "2047-01-01").terms) < 200


def test_a_window_that_ends_before_it_begins_begins_at_any_time() -> None:
    assert StartWindow("2027-06-01", "2026-06-01").terms == {ANY_START_TERM}

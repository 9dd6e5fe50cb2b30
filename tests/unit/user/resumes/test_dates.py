"""Dates and periods as people write them, in English and German."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.user.domain.resumes.dates import first_period, is_date_only, read_spans, without_span


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("Oct 2024 – Mar 2025", "2024-10", "2025-03"),
        ("October 2024 - March 2025", "2024-10", "2025-03"),
        ("Sept. 2024 to Dec. 2024", "2024-09", "2024-12"),
        ("June – August 2025", "2025-06", "2025-08"),
        ("June 2025–August 2025", "2025-06", "2025-08"),
        ("10/2024 – 03/2025", "2024-10", "2025-03"),
        ("10.2024-03.2025", "2024-10", "2025-03"),
        ("06 – 09/2025", "2025-06", "2025-09"),
        ("2024-10 - 2025-03", "2024-10", "2025-03"),
        ("2021 – 2024", "2021", "2024"),
        ("2021–24", "2021", "2024"),
        ("01.10.2024 – 31.03.2025", "2024-10-01", "2025-03-31"),
        ("1 October 2024 – 31 March 2025", "2024-10-01", "2025-03-31"),
        ("Oktober 2024 bis März 2025", "2024-10", "2025-03"),
        ("von Okt. 2024 bis Sept. 2025", "2024-10", "2025-09"),
        ("WS 2023/24 – SoSe 2025", "2023-10", "2025-04"),
        ("Oct '24 – Mar '25", "2024-10", "2025-03"),
        ("10/2024 – voraussichtlich 09/2027", "2024-10", "2027-09"),
        ("Oct 2024 – expected Sep 2027", "2024-10", "2027-09"),
    ],
)
def test_a_period_has_a_start_and_an_end(text: str, start: str, end: str) -> None:
    span = first_period(f"Title, {text}")

    assert span is not None
    assert (span.start, span.end, span.is_range) == (start, end, True)


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("Oct 2024 – Present", "2024-10"),
        ("10/2024 – heute", "2024-10"),
        ("seit März 2025", "2025-03"),
        ("since 2023", "2023"),
        ("2023 –", "2023"),
        ("Oktober 2024 bis heute", "2024-10"),
        ("01/2024 - now", "2024-01"),
    ],
)
def test_work_that_goes_on_has_no_end(text: str, start: str) -> None:
    span = first_period(text)

    assert span is not None
    assert (span.start, span.end, span.is_ongoing) == (start, "", True)


@pytest.mark.parametrize(
    ("text", "end"), [("Graduated May 2024", "2024-05"), ("Summer 2025", "2025"), ("2024", "2024")]
)
def test_a_date_alone_is_an_end(text: str, end: str) -> None:
    span = first_period(text)

    assert span is not None
    assert (span.start, span.end, span.is_range) == ("", end, False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "13/2024x",
        "Room 2099a",
        "+49 30 23125 417",
        "you may ask",
        "until March",
        "ISO9001",
        "12345 Berlin",
        "32.13.2024x",
    ],
)
def test_other_text_has_no_period(text: str) -> None:
    assert first_period(text) is None


def test_a_period_that_ends_before_it_begins_is_none() -> None:
    assert not any(span.is_range for span in read_spans("2025 – 2021"))


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("Working student (Oct 2024 – Present)", "Working student"),
        ("10/2024 – heute\tWerkstudent", "Werkstudent"),
        ("Example GmbH | Oct 2024 – Mar 2025", "Example GmbH"),
        ("Intern\tOct 2024 – Mar 2025\tBerlin", "Intern\tBerlin"),
        ("BSc, 2021 – 2024 (expected), Example University", "BSc Example University"),
    ],
)
def test_a_line_stays_without_its_period(text: str, rest: str) -> None:
    span = first_period(text)

    assert span is not None
    assert without_span(text, span) == rest


@pytest.mark.parametrize(
    ("text", "only"), [("(10/2024 – heute)", True), ("Oct 2024 – Mar 2025 |", True), ("Intern, 2024", False)]
)
def test_a_cell_of_dates_is_told_from_one_with_other_text(text: str, only: bool) -> None:
    assert is_date_only(text) is only


@given(
    st.integers(1950, 2098),
    st.integers(1, 12),
    st.integers(1, 12),
    st.sampled_from(["–", "-", "bis", "to", "—"]),
)
def test_numeric_months_are_read_back_in_every_year(year: int, first: int, last: int, dash: str) -> None:
    span = first_period(f"{first:02}/{year} {dash} {last:02}/{year + 1}")

    assert span is not None
    assert (span.start, span.end) == (f"{year}-{first:02}", f"{year + 1}-{last:02}")


@given(st.text(max_size=200))
def test_no_text_makes_the_rules_fail(text: str) -> None:
    for span in read_spans(text):
        assert 0 <= span.begin < span.stop <= len(text)
        without_span(text, span)

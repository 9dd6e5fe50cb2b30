"""The reading order of pages: columns, margins and tables."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.user.domain.resumes.headings import is_margin_label
from services.user.domain.resumes.layout import arrange_lines, arrange_table
from services.user.domain.resumes.text import PlacedWord, TextLine, tidy_line

LETTER_POINTS = 5.0


def words(text: str, left: float, baseline: float, size: float = 10) -> list[PlacedWord]:
    """Return the words of a line, set in a font whose letters are all as wide as each other."""
    placed = []
    for word in text.split():
        right = left + LETTER_POINTS * len(word)
        placed.append(PlacedWord(word, left, right, baseline, size))
        left = right + LETTER_POINTS / 2
    return placed


def column(texts: Sequence[str], left: float, top: float = 100, leading: float = 14) -> list[PlacedWord]:
    return [word for at, text in enumerate(texts) for word in words(text, left, top + at * leading)]


def read(*pages: list[PlacedWord]) -> list[str]:
    return [line.text for line in arrange_lines(pages, is_margin_label)]


SIDEBAR = ["Contact", "sam@example.org", "Skills", "Python", "SQL", "Languages", "German"]
MAIN = [
    "Experience",
    "Tutor at Example University",
    "Held classes for students",
    "Education",
    "BSc Physics",
    "Example University",
]


def test_two_columns_are_read_one_after_the_other() -> None:
    assert read([*column(SIDEBAR, 40), *column(MAIN, 200)]) == [*SIDEBAR, *MAIN]


def test_columns_whose_lines_do_not_stand_side_by_side_are_read_so_too() -> None:
    assert read([*column(SIDEBAR, 40), *column(MAIN, 200, top=107, leading=15)]) == [*SIDEBAR, *MAIN]


def test_a_line_across_the_page_stands_before_the_columns() -> None:
    head = words("Sam Okafor who studies physics at the university of examples", 40, 50, size=20)

    assert read([*head, *column(SIDEBAR, 40), *column(MAIN, 200)])[0].startswith("Sam Okafor")


def test_columns_that_go_on_on_the_next_page_are_read_to_their_end() -> None:
    more = ["Interests", "Chess", "Choir"]
    later = ["Projects", "Route planner", "Finds routes without hills"]

    found = read([*column(SIDEBAR, 40), *column(MAIN, 200)], [*column(more, 40), *column(later, 200)])

    assert found == [*SIDEBAR, *more, *MAIN, *later]


def test_headings_in_the_margin_stay_beside_their_text() -> None:
    labels = [
        word
        for at, text in ((0, "Education"), (2, "Experience"), (4, "Skills"))
        for word in words(text, 40, 100 + 14 * at)
    ]
    texts = ["BSc Physics", "Example University", "Tutor", "Example School", "Python", "SQL"]

    assert read([*labels, *column(texts, 180)]) == [
        "Education\tBSc Physics",
        "Example University",
        "Experience\tTutor",
        "Example School",
        "Skills\tPython",
        "SQL",
    ]


def test_a_heading_that_is_divided_in_the_margin_is_one() -> None:
    labels = [
        *words("Education &", 40, 100),
        *words("Qualifications", 40, 114),
        *words("Experience", 40, 142),
        *words("Skills", 40, 170),
    ]
    texts = ["BSc Physics", "Example University", "and more", "Tutor", "Example School", "Python"]

    assert read([*labels, *column(texts, 180)])[:2] == [
        "Education & Qualifications\tBSc Physics",
        "Example University",
    ]


def test_a_line_that_had_no_more_space_goes_on_in_the_next_one() -> None:
    texts = [
        "Master of Arts in Graphic",
        "Design, School",
        "Held classes for students",
        "of physics",
        "Tutor",
    ]

    found = arrange_lines([column(texts, 40)], is_margin_label)

    assert [line.is_wrapped for line in found] == [True, False, True, False, False]


def test_a_line_that_is_merely_the_longest_does_not_go_on() -> None:
    texts = ["Tutor", "Example School of the Arts and Sciences", "Barista", "Harbour Coffee"]

    assert not any(line.is_wrapped for line in arrange_lines([column(texts, 40)], is_margin_label))


def test_a_bold_heading_close_to_its_text_is_told_from_it() -> None:
    heading = [replace(word, is_bold=True) for word in words("Education", 40, 100)]

    assert read([*heading, *words("BSc Physics", 88, 100)]) == ["Education\tBSc Physics"]


def test_dates_in_the_margin_stay_beside_their_text() -> None:
    dates = [
        word
        for at, text in ((0, "10/2024 – heute"), (2, "2021 – 2024"), (4, "2020"))
        for word in words(text, 40, 100 + 14 * at)
    ]
    texts = ["Werkstudent", "Beispiel GmbH", "Tutor", "Hochschule Neuenfeld", "Aushilfe", "Café Morgenrot"]

    assert read([*dates, *column(texts, 180)])[::2] == [
        "10/2024 – heute\tWerkstudent",
        "2021 – 2024\tTutor",
        "2020\tAushilfe",
    ]


def test_dates_on_the_right_stay_beside_their_text() -> None:
    texts = ["Tutor", "Example School", "Barista", "Harbour Coffee", "Intern", "Example Labs"]
    dates = [
        word
        for at, text in ((0, "Oct 2024 – Present"), (2, "2021 – 2024"), (4, "May 2020"))
        for word in words(text, 400, 100 + 14 * at)
    ]

    assert read([*column(texts, 40), *dates])[::2] == [
        "Tutor\tOct 2024 – Present",
        "Barista\t2021 – 2024",
        "Intern\tMay 2020",
    ]


def test_the_marks_of_items_are_no_column() -> None:
    items = ["Built a dashboard", "Wrote tests", "Held classes", "Planned trips"]
    marks = [word for at in range(4) for word in words("•", 40, 100 + 14 * at)]

    assert read([*marks, *column(items, 55)]) == [f"• {item}" for item in items]


def test_letters_that_stand_apart_are_words() -> None:
    spaced = [
        PlacedWord(letter, 40 + 9 * at + (6 if at > 3 else 0), 45 + 9 * at + (6 if at > 3 else 0), 100, 12)
        for at, letter in enumerate("WORKLIFE")
    ]

    assert read(spaced) == ["WORK LIFE"]


def test_items_that_are_far_indented_stay_below_their_titles() -> None:
    texts = [
        ("Tutor", 40),
        ("• Held classes", 160),
        ("• Wrote exercises", 160),
        ("Barista", 40),
        ("• Served guests", 160),
    ]
    more = [("Intern", 40), ("• Built a dashboard", 160), ("Mentor", 40)]
    page = [word for at, (text, left) in enumerate(texts + more) for word in words(text, left, 100 + 14 * at)]

    assert read(page) == [text for text, _ in texts + more]


def test_page_numbers_are_left_out() -> None:
    assert read([*words("Tutor", 40, 100), *words("Seite 1 von 2", 300, 800)]) == ["Tutor"]


@pytest.mark.parametrize(
    ("text", "tidy"),
    [
        ("\ufb01nance and \ufb02ow", "finance and flow"),
        ("\uf0b7 Built", "• Built"),
        ("(cid:127) Built", "• Built"),
        ("E D U C A T I O N", "EDUCATION"),
        ("a\u200bb\u202e", "ab"),
        ("✉ sam@example.org", "sam@example.org"),
        ("  \t one \t\t two ", "one\ttwo"),
    ],
)
def test_a_line_is_tidied(text: str, tidy: str) -> None:
    assert tidy_line(text).replace("\u200b", "") == tidy


def lines(*texts: str) -> list[TextLine]:
    return [TextLine(text) for text in texts]


def test_a_table_with_dates_reads_row_by_row() -> None:
    table = [
        [lines("10/2024 – heute"), lines("Werkstudent", "Beispiel GmbH")],
        [lines("2021 – 2024"), lines("Tutor")],
    ]

    assert [[line.text for line in block] for block in arrange_table(table, is_margin_label)] == [
        ["10/2024 – heute\tWerkstudent", "Beispiel GmbH", "2021 – 2024\tTutor"]
    ]


def test_a_table_of_two_columns_reads_column_by_column() -> None:
    table = [[lines("Skills", "Python", "Git"), lines("Tutor", "Example School", "Held classes")]]

    assert [[line.text for line in block] for block in arrange_table(table, is_margin_label)] == [
        ["Skills", "Python", "Git"],
        ["Tutor", "Example School", "Held classes"],
    ]


_PLACE = st.floats(-50, 900, allow_nan=False)
_WORD = st.builds(
    lambda text, left, width, baseline, size: PlacedWord(text, left, left + width, baseline, size),
    st.text(min_size=1, max_size=8),
    _PLACE,
    st.floats(0, 80),
    _PLACE,
    st.floats(0.1, 40),
)


_ALIGNED_WORD = st.builds(
    lambda text, left, baseline, is_bold: PlacedWord(text, left, left + 5 * len(text), baseline, 10, is_bold),
    st.sampled_from(
        ["Education", "Skills", "Tutor", "10/2024", "2021 – 2024", "•", "Example University", "a"]
    ),
    st.sampled_from([40, 50, 150, 160, 300]),
    st.integers(5, 20).map(lambda row: 14.0 * row),
    st.booleans(),
)


@given(st.lists(st.lists(_ALIGNED_WORD, max_size=40), max_size=3))
def test_pages_with_columns_of_all_kinds_keep_their_letters(pages: list[list[PlacedWord]]) -> None:
    found = "".join(line.text for line in arrange_lines(pages, is_margin_label))

    for letters in ("Education", "Tutor", "University"):
        assert found.count(letters) == sum(word.text.count(letters) for page in pages for word in page)


@given(st.lists(st.lists(_WORD, max_size=40), max_size=3))
def test_no_page_makes_the_rules_fail_or_invent_text(pages: list[list[PlacedWord]]) -> None:
    letters = sum(len(word.text) for page in pages for word in page)

    assert (
        sum(
            len(line.text.replace(" ", "").replace("\t", ""))
            for line in arrange_lines(pages, is_margin_label)
        )
        <= 20 * letters
    )

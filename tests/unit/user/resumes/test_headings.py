"""Headings and sections."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.user.domain.resumes.headings import SectionKind, heading_kind, is_margin_label, split_label
from services.user.domain.resumes.sections import lines_of, split_sections
from services.user.domain.resumes.text import TextLine


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("EDUCATION", SectionKind.EDUCATION),
        ("Education and Training", SectionKind.EDUCATION),
        ("Akademischer Werdegang", SectionKind.EDUCATION),
        ("Schulische Ausbildung:", SectionKind.EDUCATION),
        ("Relevant Work Experience", SectionKind.EXPERIENCE),
        ("3. Berufserfahrung", SectionKind.EXPERIENCE),
        ("Praktika & Nebenjobs", SectionKind.EXPERIENCE),
        ("E X P E R I E N C E", SectionKind.EXPERIENCE),
        ("Technical Skills", SectionKind.SKILLS),
        ("Programmierkenntnisse", SectionKind.SKILLS),
        ("Sprachkenntnisse", SectionKind.LANGUAGES),
        ("Language Skills", SectionKind.LANGUAGES),
        ("Über mich", SectionKind.SUMMARY),
        ("Persönliche Daten", SectionKind.CONTACT),
        ("Awards", SectionKind.OTHER),
    ],
)
def test_a_heading_is_known_by_its_words(text: str, kind: SectionKind) -> None:
    assert heading_kind(text) is kind


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Education Consultant",
        "Experience Design Intern",
        "Sam Okafor",
        "I have experience in sales.",
        "Python",
        "My relevant",
    ],
)
def test_other_text_is_no_heading(text: str) -> None:
    assert heading_kind(text) is None


@pytest.mark.parametrize("text", ["Telefon:", "E-Mail", "10/2024 – heute", "Ausbildung", "Date of birth"])
def test_labels_of_a_margin_are_known(text: str) -> None:
    assert is_margin_label(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Telefon: 030", ("Telefon", "030")),
        ("Skills\tPython", ("Skills", "Python")),
        ("https://a.example", ("", "https://a.example")),
    ],
)
def test_a_label_is_split_from_its_text(text: str, expected: tuple[str, str]) -> None:
    assert split_label(text) == expected


def test_a_word_of_a_heading_within_the_text_begins_no_section() -> None:
    lines = [
        TextLine("Sam Okafor", 20, is_bold=True),
        TextLine("EXPERIENCE", 12, is_bold=True),
        TextLine("Tutor", 10),
        TextLine("Languages", 10),
        TextLine("EDUCATION", 12, is_bold=True),
        TextLine("Example University", 10),
    ]

    assert [section.kind for section in split_sections(lines)] == ["LOOSE", "EXPERIENCE", "EDUCATION"]


def test_an_unknown_heading_that_looks_like_the_others_ends_the_section_before() -> None:
    lines = [
        TextLine("EXPERIENCE", 12, is_bold=True),
        TextLine("Tutor", 10),
        TextLine("SKILLS", 12, is_bold=True),
        TextLine("Python", 10),
        TextLine("FLOTSAM", 12, is_bold=True),
        TextLine("Sea glass", 10),
    ]

    assert [line.text for line in lines_of(split_sections(lines), SectionKind.SKILLS)] == ["Python"]


def test_text_of_another_column_does_not_continue_a_section() -> None:
    lines = [
        TextLine("SKILLS", 12, is_bold=True),
        TextLine("Python", 10),
        TextLine("Sam Okafor", 20, block=1),
    ]

    assert [line.text for line in lines_of(split_sections(lines), SectionKind.SKILLS)] == ["Python"]


def test_a_heading_in_the_margin_begins_a_section_with_the_text_beside_it() -> None:
    sections = split_sections([TextLine("Education\tBSc Physics", 10), TextLine("Example University", 10)])

    assert sections[-1].kind is SectionKind.EDUCATION
    assert [line.text for line in sections[-1].lines] == ["BSc Physics", "Example University"]


@given(
    st.lists(
        st.builds(
            TextLine,
            st.text(max_size=60),
            st.sampled_from([0, 10, 12]),
            is_bold=st.booleans(),
            block=st.integers(0, 2),
        )
    )
)
def test_sections_lose_no_line_but_headings(lines: list[TextLine]) -> None:
    kept = sum(len(section.lines) for section in split_sections(lines))

    assert kept <= len(lines)
    assert kept >= sum(heading_kind(line.text) is None for line in lines) - len(lines)

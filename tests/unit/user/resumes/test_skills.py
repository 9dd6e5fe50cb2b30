"""Skills and spoken languages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.user.domain.profile import Language, Skill, SkillLevel
from services.user.domain.resumes.languages import is_language, read_languages
from services.user.domain.resumes.skills import read_skills
from services.user.domain.resumes.text import TextLine


def lines(*texts: str) -> list[TextLine]:
    return [TextLine(text, 10) for text in texts]


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        (("Python, Java, SQL",), ["Python", "Java", "SQL"]),
        (("• Python", "• C++", "• Public speaking"), ["Python", "C++", "Public speaking"]),
        (("Technical: Python, Node.js", "Office: Excel"), ["Python", "Node.js", "Excel"]),
        (("Python | C# | HTML/CSS",), ["Python", "C#", "HTML/CSS"]),
        (("Python; Java; Git",), ["Python", "Java", "Git"]),
        (("Python ●●●●○", "Java 80%"), ["Python", "Java"]),
        (("Python\tJava\tSQL",), ["Python", "Java", "SQL"]),
        (("Databases (PostgreSQL, Redis)",), ["Databases", "PostgreSQL", "Redis"]),
        (("Python, Java,", "SQL and Git"), ["Python", "Java", "SQL and Git"]),
        (("Python", "python", "PYTHON"), ["Python"]),
        (("Python, Englisch (C1), Deutsch (Muttersprache)",), ["Python"]),
    ],
)
def test_skills_are_read_from_lists_of_all_kinds(texts: tuple[str, ...], names: list[str]) -> None:
    assert [skill.value.name for skill in read_skills(lines(*texts))] == names


@pytest.mark.parametrize(
    ("text", "skill"),
    [
        ("Python (advanced)", Skill("Python", SkillLevel.ADVANCED)),
        ("Excel: sehr gut", Skill("Excel", SkillLevel.EXPERT)),
        ("SAP – Grundkenntnisse", Skill("SAP", SkillLevel.BEGINNER)),
        ("R (intermediate)", Skill("R", SkillLevel.INTERMEDIATE)),
        ("Git", Skill("Git")),
    ],
)
def test_a_level_beside_a_skill_is_read(text: str, skill: Skill) -> None:
    assert [found.value for found in read_skills(lines(text))] == [skill]


def test_sentences_are_no_skills() -> None:
    assert read_skills(lines("I learn quickly and like to work with people of all kinds")) == ()


@pytest.mark.parametrize(
    ("texts", "languages"),
    [
        (("German (native), English (C1)",), [("German", "native"), ("English", "C1")]),
        (
            ("Deutsch – Muttersprache", "Englisch – verhandlungssicher"),
            [("Deutsch", "native"), ("Englisch", "C1")],
        ),
        (("English: fluent", "French: basic"), [("English", "C1"), ("French", "A2")]),
        (("Spanisch B1, Türkisch A2",), [("Spanisch", "B1"), ("Türkisch", "A2")]),
        (("Deutsch\tMuttersprache",), [("Deutsch", "native")]),
        (("Deutsch", "Muttersprache", "Englisch", "B2-C1"), [("Deutsch", "native"), ("Englisch", "C1")]),
        (("Sprachen: Italienisch",), [("Italienisch", "")]),
    ],
)
def test_languages_are_read_with_their_levels(
    texts: tuple[str, ...], languages: list[tuple[str, str]]
) -> None:
    assert [each.value for each in read_languages(lines(*texts))] == [Language(*each) for each in languages]


def test_a_level_of_the_framework_is_more_certain_than_a_word_for_one() -> None:
    by_level, by_word = read_languages(lines("English C1", "French good"))

    assert by_level.confidence > by_word.confidence


@pytest.mark.parametrize(
    ("text", "expected"),
    [("English (C1)", True), ("German", True), ("Python", False), ("German tax law", False)],
)
def test_a_language_is_told_from_other_skills(text: str, expected: bool) -> None:
    assert is_language(text) is expected


@given(st.lists(st.text(max_size=80), max_size=8))
def test_no_text_makes_the_rules_fail(texts: list[str]) -> None:
    assert all(skill.value.name.strip() for skill in read_skills(lines(*texts)))
    read_languages(lines(*texts))

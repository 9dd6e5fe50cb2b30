"""Skills: the items of their section, with levels where they stand beside them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from chassis.text import fold_for_comparison
from services.user.domain.profile import Skill, SkillLevel
from services.user.domain.resumes.headings import split_label
from services.user.domain.resumes.languages import is_language
from services.user.domain.resumes.parsed_resume import ReadValue
from services.user.domain.resumes.text import CELL_BREAK, TextLine, join_wrapped, without_bullet

MAX_SKILL_CHARS: Final = 60
MAX_SKILL_WORDS: Final = 5
MAX_SKILLS: Final = 60
_LEVELS: Final = {
    SkillLevel.EXPERT: "expert|experte|expertin|expertenkenntnisse|proficient|sehr gute?(?: kenntnisse)?|very good|master",
    SkillLevel.ADVANCED: "advanced|fortgeschritten|gute?(?: kenntnisse)?|good|strong|fließend|sicher|experienced",
    SkillLevel.INTERMEDIATE: "intermediate|mittel|mittlere kenntnisse|solid|working knowledge|familiar|erfahrung",
    SkillLevel.BEGINNER: "beginner|basics?|basic knowledge|grundkenntnisse|grundlagen|basiskenntnisse|anfänger|einsteiger|elementary|learning",
}  # fmt: skip
_LEVEL_WORDS: Final = {
    level: re.compile(rf"(?:{words})(?:\s+(?:in|with))?", re.IGNORECASE) for level, words in _LEVELS.items()
}
_METERS: Final = re.compile(
    r"[●○◉◯■□▪▫★☆◆◇▮▯█░▓]{2,}|\b\d{1,3}\s?%|\b[1-5]\s?/\s?(?:5|10)\b|\b\d+\+?\s+(?:years?|jahre?)\b",
    re.IGNORECASE,
)
_SEPARATOR: Final = re.compile(rf"{CELL_BREAK}|[;|•·●]|,(?![^(]*\))|\s[/–—]\s|\s+-\s+|\.\s+(?=[A-Z])")
_LEVEL_AFTER: Final = re.compile(r"^(?P<name>.+?)\s*(?:[(:–—-]|\s-\s)\s*(?P<level>[^()]+?)\)?$")
_LIST_IN_BRACKETS: Final = re.compile(r"^(?P<name>[^()]{2,40})\s*\((?P<items>[^()]*,[^()]*)\)$")
_CONJUNCTION: Final = re.compile(r"^(?:and|und|sowie)\s+", re.IGNORECASE)


def read_skills(lines: Sequence[TextLine]) -> tuple[ReadValue[Skill], ...]:
    """Return the skills that the section lists, each once; spoken languages among them are left out."""
    found: dict[str, ReadValue[Skill]] = {}
    for line, text in _logical_lines(join_wrapped(_without_groups(lines), having=",;|")):
        for item in _items_of(_split_label(text)[1]):
            for skill, certainty in () if is_language(item) else _read_item(item):
                found.setdefault(fold_for_comparison(skill.name), ReadValue(skill, certainty, line.text))
    return tuple(found.values())[:MAX_SKILLS]


def _without_groups(lines: Sequence[TextLine]) -> Iterator[TextLine]:
    """Yield the lines; one before a group of skills with a name of its own does not go on in it."""
    for line, following in zip(lines, [*lines[1:], None], strict=False):
        is_last = following is not None and split_label(following.text)[0] != ""
        yield replace(line, is_wrapped=line.is_wrapped and not is_last)


def _logical_lines(lines: Sequence[TextLine]) -> Iterator[tuple[TextLine, str]]:
    """Yield the lines, those that go on in the next line put together."""
    pending: tuple[TextLine, str] | None = None
    for line in lines:
        text = without_bullet(line.text)
        if pending is not None and not line.is_bullet and _goes_on(pending[1], text):
            pending = (pending[0], f"{pending[1]} {text}")
            continue
        if pending is not None:
            yield pending
        pending = (line, text)
    if pending is not None:
        yield pending


def _goes_on(text: str, following: str) -> bool:
    return text.endswith(",") or ("," in text and following[:1].islower())


def _items_of(text: str) -> list[str]:
    """Return the items of a list; a level after a dash stays with its skill."""
    items: list[str] = []
    for item in _SEPARATOR.split(text):
        if items and _level_of(item) is not None:
            items[-1] = f"{items[-1]} ({item.strip()})"
        else:
            items.append(item)
    return items


def _split_label(text: str) -> tuple[str, str]:
    """Return the name of a group of skills and its items."""
    label, rest = split_label(text)
    if not label or not rest or _level_of(rest) is not None:
        return "", text
    if CELL_BREAK in text and "," not in rest and ":" not in text.partition(CELL_BREAK)[0]:
        return "", text
    return label, rest


def _read_item(item: str) -> Iterator[tuple[Skill, float]]:
    bare = _CONJUNCTION.sub("", _METERS.sub("", item).strip(" .,:;–—-"))
    grouped = _LIST_IN_BRACKETS.match(bare)
    if grouped and _level_of(grouped["items"].partition(",")[0]) is None:
        for each in [grouped["name"], *grouped["items"].split(",")]:
            yield from _read_item(each)
        return
    found = _LEVEL_AFTER.match(bare)
    level = _level_of(found["level"]) if found else None
    if found and level is not None:
        name = found["name"].strip(" .,:;–—-(")
    else:
        level, name = SkillLevel.UNSPECIFIED, bare
    words = name.split()
    if (
        not words
        or len(name) > MAX_SKILL_CHARS
        or _level_of(name) is not None
        or not any(map(str.isalnum, name))
    ):
        return
    if len(words) <= MAX_SKILL_WORDS:
        yield Skill(name, level), 0.9 if len(words) <= 3 else 0.6


def _level_of(text: str) -> SkillLevel | None:
    tidy = text.strip(" .,:;()–—-")
    return next((level for level, words in _LEVEL_WORDS.items() if words.fullmatch(tidy)), None)

"""The draft of a profile that a résumé makes: within the contract's bounds, for the student to confirm."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final, TypeVar

from chassis.text import fold_for_comparison, to_single_line, truncate_text, without_unwanted_characters
from services.user.domain.profile import (
    Education,
    Experience,
    Language,
    Location,
    Skill,
    Student,
)
from services.user.domain.resumes.parsed_resume import ParsedResume, ReadValue

DEFAULT_MIN_CONFIDENCE: Final = 0.3
"""Values below it are rather guesses: the draft leaves them out, the parsed résumé keeps them."""
MAX_PERSON_CHARS: Final = 120
MAX_NAME_CHARS: Final = 160
MAX_AREA_CHARS: Final = 120
MAX_DEGREE_CHARS: Final = 80
MAX_SCORE_CHARS: Final = 40
MAX_SKILL_NAME_CHARS: Final = 60
MAX_SUMMARY_CHARS: Final = 4_000
MAX_ENTRY_SUMMARY_CHARS: Final = 2_000
MAX_PLACE_CHARS: Final = 120
MAX_DRAFT_LINKS: Final = 20
MAX_DRAFT_EDUCATION: Final = 20
MAX_DRAFT_EXPERIENCE: Final = 40
MAX_DRAFT_SKILLS: Final = 60
MAX_DRAFT_LANGUAGES: Final = 20

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FieldConfidence:
    """How certain a value of a draft is, from 0 to 1; `path` as in the contract: `student.skills[0]`."""

    path: str
    confidence: float


@dataclass(frozen=True, slots=True)
class DraftedProfile:
    """What a résumé says for a profile; `confidences` are those of its values, and of entries' fields."""

    name: str
    student: Student
    confidences: tuple[FieldConfidence, ...] = ()


def draft_student(resume: ParsedResume, min_confidence: float = DEFAULT_MIN_CONFIDENCE) -> Student:
    """Return the student's part of a profile; `check_profile` finds nothing wrong with it."""
    return draft_profile(resume, min_confidence).student


def draft_profile(resume: ParsedResume, min_confidence: float = DEFAULT_MIN_CONFIDENCE) -> DraftedProfile:
    """Return the parts of a profile that a résumé has; `check_profile` finds nothing wrong with them."""
    lists = _draft_lists(resume, min_confidence)
    name = _read_or_none(resume.name, lambda text: _line(text, MAX_PERSON_CHARS))
    summary = _read_or_none(resume.summary, lambda text: _lines(text, MAX_SUMMARY_CHARS))
    location = _read_or_none(resume.location, _place)
    singles = {"name": name, "student.summary": summary, "student.location": location}
    values: dict[str, Any] = {field: tuple(each.value for each in found) for field, found in lists.items()}
    student = Student(
        summary=summary.value if summary else "",
        location=location.value if location else None,
        **values,
    )
    confidences = [
        *(FieldConfidence(path, found.confidence) for path, found in singles.items() if found),
        *(each for field, found in lists.items() for each in _confidences(f"student.{field}", found)),
    ]
    return DraftedProfile(name.value if name else "", student, tuple(confidences))


def _draft_lists(resume: ParsedResume, min_confidence: float) -> dict[str, tuple[ReadValue[Any], ...]]:
    """Return the lists of the student's part by field, each item with its confidence."""
    education = _converted(_certain(resume.education, min_confidence), _education)
    experience = _converted(_certain(resume.experience, min_confidence), _experience)
    skills = _once(_converted(_certain(resume.skills, min_confidence), _skill))
    languages = _once(_converted(_certain(resume.languages, min_confidence), _language))
    found: dict[str, tuple[Iterable[ReadValue[Any]], int]] = {
        "links": (_certain(resume.links, min_confidence), MAX_DRAFT_LINKS),
        "education": ((each for each in education if each.value.institution), MAX_DRAFT_EDUCATION),
        "experience": ((each for each in experience if each.value.organisation), MAX_DRAFT_EXPERIENCE),
        "skills": (skills, MAX_DRAFT_SKILLS),
        "languages": (languages, MAX_DRAFT_LANGUAGES),
    }
    return {field: tuple(islice(items, limit)) for field, (items, limit) in found.items()}


def _read_or_none(found: ReadValue[T] | None, convert: Callable[[T], T]) -> ReadValue[T] | None:
    """Return the value as a profile takes it; None when nothing is left of it."""
    if found is None or not (value := convert(found.value)):
        return None
    return replace(found, value=value)


def _converted(found: Iterable[ReadValue[T]], convert: Callable[[T], T]) -> Iterator[ReadValue[T]]:
    return (replace(each, value=convert(each.value)) for each in found)


def _confidences(path: str, found: Iterable[ReadValue[Any]]) -> Iterator[FieldConfidence]:
    for index, each in enumerate(found):
        yield FieldConfidence(f"{path}[{index}]", each.confidence)
        for part, confidence in each.parts.items():
            if getattr(each.value, part, ""):
                yield FieldConfidence(f"{path}[{index}].{part}", confidence)


def _certain(values: Iterable[ReadValue[T]], min_confidence: float) -> Iterator[ReadValue[T]]:
    return (each for each in values if each.confidence >= min_confidence)


def _line(text: str, length: int) -> str:
    return truncate_text(without_unwanted_characters(to_single_line(text)), length)


def _lines(text: str, length: int) -> str:
    tidy = (without_unwanted_characters(to_single_line(line)) for line in text.split("\n"))
    return truncate_text("\n".join(filter(None, tidy)), length)


def _place(place: Location) -> Location:
    return replace(
        place, city=_line(place.city, MAX_PLACE_CHARS), region=_line(place.region, MAX_PLACE_CHARS)
    )


def _education(entry: Education) -> Education:
    return Education(
        _line(entry.institution, MAX_NAME_CHARS),
        _line(entry.area, MAX_AREA_CHARS),
        _line(entry.degree, MAX_DEGREE_CHARS),
        *_dates(entry.start, entry.end),
        _line(entry.score, MAX_SCORE_CHARS),
    )


def _experience(entry: Experience) -> Experience:
    return Experience(
        _line(entry.organisation, MAX_NAME_CHARS),
        _line(entry.position, MAX_NAME_CHARS),
        *_dates(entry.start, entry.end),
        _lines(entry.summary, MAX_ENTRY_SUMMARY_CHARS),
    )


def _dates(start: str, end: str) -> tuple[str, str]:
    """Return the dates; no end that is before the start."""
    known = min(len(start), len(end))
    return (start, "") if end[:known] < start[:known] else (start, end)


def _skill(skill: Skill) -> Skill:
    return replace(skill, name=_line(skill.name, MAX_SKILL_NAME_CHARS))


def _language(language: Language) -> Language:
    return replace(language, name=_line(language.name, MAX_SKILL_NAME_CHARS))


def _once(values: Iterable[ReadValue[Any]]) -> Iterator[ReadValue[Any]]:
    """Yield the first of several skills or languages of one name."""
    seen = set[str]()
    for found in values:
        key = fold_for_comparison(found.value.name)
        if key and key not in seen:
            seen.add(key)
            yield found

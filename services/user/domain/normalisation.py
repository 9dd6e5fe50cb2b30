"""Canonical spellings: levels, partial dates, language tags, time zones, IDs of skills."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Final
from zoneinfo import available_timezones

from chassis.errors import Violation
from services.user.domain.skills import with_skill_id

if TYPE_CHECKING:
    from services.user.domain.profile import Education, Experience, Language, Profile, Student

LANGUAGE_LEVELS: Final = ("A1", "A2", "B1", "B2", "C1", "C2", "native")
_ALSO_NATIVE: Final = frozenset({"native speaker", "mother tongue", "muttersprache", "first language"})
_DATE: Final = re.compile(r"([12][0-9]{3})(?:-([0-9]{2})(?:-([0-9]{2}))?)?")
"""Years from 1000 to 2999, as JSON Resume has them."""
_TAG_PARTS: Final = re.compile("[_-]")


def normalise_profile(profile: "Profile") -> "Profile":
    """Return the profile with values of one meaning in one spelling."""
    student = profile.student
    if student is not None:
        student = replace(
            student,
            languages=tuple(map(_normalise_language, student.languages)),
            skills=tuple(map(with_skill_id, student.skills)),
        )
    return replace(
        profile,
        locale=_normalise_locale(profile.locale),
        time_zone=_time_zones_by_name().get(profile.time_zone.strip().casefold(), profile.time_zone),
        student=student,
    )


def format_violations(student: "Student") -> Iterator[Violation]:
    """Yield violations for invalid language levels and dates."""
    for index, language in enumerate(student.languages):
        if language.fluency and language.fluency not in LANGUAGE_LEVELS:
            yield Violation(
                f"student.languages[{index}].fluency", f"must be one of {', '.join(LANGUAGE_LEVELS)}"
            )
    spans: dict[str, tuple[Education | Experience, ...]] = {
        "education": student.education,
        "experience": student.experience,
    }
    for name, parts in spans.items():
        for index, part in enumerate(parts):
            yield from _span_violations(f"student.{name}[{index}]", part.start, part.end)
    for index, certificate in enumerate(student.certificates):
        yield from _date_violations(f"student.certificates[{index}].date", certificate.date)


def _span_violations(path: str, start: str, end: str) -> Iterator[Violation]:
    wrong = [*_date_violations(f"{path}.start", start), *_date_violations(f"{path}.end", end)]
    yield from wrong
    if not wrong and start and end and _is_before(end, start):
        yield Violation(f"{path}.end", f"{end} is before the start {start}")


def _is_before(one: str, other: str) -> bool:
    """Return whether one date is certainly before the other: 2024 is not before 2024-05."""
    known = min(len(one), len(other))
    return one[:known] < other[:known]


def _date_violations(path: str, text: str) -> Iterator[Violation]:
    if not text:
        return
    found = _DATE.fullmatch(text)
    if found is None:
        yield Violation(path, "must be a year, a month or a day: `2024`, `2024-05` or `2024-05-17`")
        return
    year, month, day = (int(part or 1) for part in found.groups())
    try:
        date(year, month, day)
    except ValueError:
        yield Violation(path, f"there is no {text} in the calendar")


def _normalise_language(language: "Language") -> "Language":
    tidy = " ".join(language.fluency.split())
    levels: Mapping[str, str] = {level.casefold(): level for level in LANGUAGE_LEVELS}
    if tidy.casefold() in _ALSO_NATIVE:
        return replace(language, fluency="native")
    return replace(language, fluency=levels.get(tidy.casefold(), tidy))


def _normalise_locale(tag: str) -> str:
    """Return the tag by BCP 47: language in lower case, script with a capital, region in upper case."""
    if not tag:
        return ""
    language, *parts = _TAG_PARTS.split(tag)
    return "-".join([language.lower(), *map(_normalise_subtag, parts)])


def _normalise_subtag(part: str) -> str:
    if len(part) == 2:
        return part.upper()
    return part.title() if len(part) == 4 and part.isalpha() else part.lower()


@cache
def _time_zones_by_name() -> Mapping[str, str]:
    return {zone.casefold(): zone for zone in available_timezones()}

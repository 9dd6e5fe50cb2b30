"""The sections of a JSON Resume, and the parts of a profile that their items become."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from services.user.domain.profile import (
    Availability,
    Education,
    Experience,
    Language,
    Preferences,
    PreferredWorkMode,
    ProfileCertificate,
    Project,
    SkillLevel,
)
from services.user.domain.resume_export import SKILL_LEVEL_WORDS, join_highlights
from services.user.domain.resume_fields import ResumeFields

ReadPart = tuple[Any, Mapping[str, str]]
"""A part of a profile, and the document's names of its fields where they differ."""

_ONGOING: Final = frozenset({"present", "now", "today", "current", "ongoing", "heute", "aktuell"})
_MOMENT: Final = re.compile(r"(\d{4}-\d{2}-\d{2})[T ].*")
_DATES: Final = {"start": "startDate", "end": "endDate"}
_SKILL_LEVELS: Final[Mapping[str, SkillLevel]] = {
    **{word.casefold(): level for level, word in SKILL_LEVEL_WORDS.items()},
    "novice": SkillLevel.BEGINNER,
    "basic": SkillLevel.BEGINNER,
    "elementary": SkillLevel.BEGINNER,
    "grundkenntnisse": SkillLevel.BEGINNER,
    "competent": SkillLevel.INTERMEDIATE,
    "proficient": SkillLevel.ADVANCED,
    "fortgeschritten": SkillLevel.ADVANCED,
    "master": SkillLevel.EXPERT,
    "experte": SkillLevel.EXPERT,
}


def read_work(item: ResumeFields) -> ReadPart:
    """Return a job; its place, its url and the company's description have none."""
    return _experience(item, "name", "company")


def read_volunteering(item: ResumeFields) -> ReadPart:
    """Return a voluntary activity as an occupation."""
    return _experience(item, "organization", "organisation")


def read_education(item: ResumeFields) -> ReadPart:
    """Return a course of study."""
    part = Education(
        institution=item.text("institution"),
        area=item.text("area"),
        degree=item.text("studyType"),
        start=_date(item, "startDate"),
        end=_date(item, "endDate"),
        score=item.text("score", "gpa"),
    )
    return part, {**_DATES, "degree": "studyType"}


def read_certificate(item: ResumeFields) -> ReadPart:
    """Return a certificate."""
    part = ProfileCertificate(item.text("name"), item.text("issuer"), _date(item, "date"), item.text("url"))
    return part, {}


def read_award(item: ResumeFields) -> ReadPart:
    """Return an award as a certificate."""
    part = ProfileCertificate(item.text("title"), item.text("awarder"), _date(item, "date"))
    return part, {"name": "title", "issuer": "awarder"}


def read_project(item: ResumeFields) -> ReadPart:
    """Return a project."""
    highlights = [text for _, text in item.texts("highlights")]
    part = Project(
        name=item.text("name"),
        url=item.text("url", "website"),
        summary=join_highlights(item.text("description", "summary"), highlights),
        keywords=tuple(text for _, text in item.texts("keywords")),
    )
    return part, {"summary": "description"}


def read_language(item: ResumeFields) -> ReadPart:
    """Return a language."""
    return Language(item.text("language", "name"), item.text("fluency")), {"name": "language"}


SECTIONS: Final[Mapping[str, Mapping[str, Callable[[ResumeFields], ReadPart]]]] = {
    "experience": {"work": read_work, "volunteer": read_volunteering},
    "education": {"education": read_education},
    "certificates": {"certificates": read_certificate, "awards": read_award},
    "projects": {"projects": read_project},
    "languages": {"languages": read_language},
}
"""The lists of a profile, and the sections that each is read from."""


def skill_level_of(item: ResumeFields) -> SkillLevel:
    """Return the level of a group of skills."""
    written = item.text("level")
    level = _SKILL_LEVELS.get(written.strip().casefold(), SkillLevel.UNSPECIFIED)
    if written and level is SkillLevel.UNSPECIFIED:
        item.notes.add(
            item.path_of("level"), f"left out: must be one of {', '.join(SKILL_LEVEL_WORDS.values())}"
        )
    return level


def read_availability(item: ResumeFields) -> ReadPart:
    """Return the days and hours that the extension of this marketplace names."""
    part = Availability(item.text("from"), item.text("to"), _whole_number(item, "hoursPerWeek"))
    return part, {"hours_per_week": "hoursPerWeek"}


def read_preferences(item: ResumeFields) -> ReadPart:
    """Return the preferences that the extension of this marketplace names."""
    currency, pay = item.text("currency"), _whole_number(item, "minHourlyPayMinor")
    if pay and not currency:
        item.notes.add(item.path_of("minHourlyPayMinor"), "left out: it needs a currency")
        pay = 0
    part = Preferences(
        fields=tuple(text for _, text in item.texts("fields")),
        cities=tuple(text for _, text in item.texts("cities")),
        work_modes=_work_modes(item),
        currency=currency,
        min_hourly_pay_minor=pay,
    )
    return part, {"work_modes": "workModes", "min_hourly_pay_minor": "minHourlyPayMinor"}


def _experience(item: ResumeFields, *organisation: str) -> ReadPart:
    highlights = [text for _, text in item.texts("highlights")]
    part = Experience(
        organisation=item.text(*organisation),
        position=item.text("position"),
        start=_date(item, "startDate"),
        end=_date(item, "endDate"),
        summary=join_highlights(item.text("summary"), highlights),
    )
    return part, {**_DATES, "organisation": organisation[0]}


def _work_modes(item: ResumeFields) -> tuple[PreferredWorkMode, ...]:
    known = {str(mode): mode for mode in PreferredWorkMode if mode is not PreferredWorkMode.UNSPECIFIED}
    found = item.texts("workModes")
    for path, text in found:
        if text not in known:
            item.notes.add(path, f"left out: must be one of {', '.join(known)}")
    return tuple(dict.fromkeys(known[text] for _, text in found if text in known))


def _whole_number(item: ResumeFields, key: str) -> int:
    number = item.number(key) or 0
    if number != int(number):
        item.notes.add(item.path_of(key), "left out: it is no whole number")
        return 0
    return int(number)


def _date(item: ResumeFields, key: str) -> str:
    """Return a date; the day of a moment, and "" for a word that means that it goes on."""
    text = item.text(key)
    moment = _MOMENT.fullmatch(text)
    if moment is not None:
        return moment[1]
    return "" if text.strip().casefold() in _ONGOING else text

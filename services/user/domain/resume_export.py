"""Profiles as JSON Resumes (schema v1.0.0), so that they can be read elsewhere and imported again.

Settings of this marketplace (visibility, open to work, blocked companies, locale, time zone) do not travel.
Where the schema has no place, the profile's data stand beside: coordinates in the location, the rest in
`meta.internshipconnect`. A summary whose last lines begin with `- ` becomes a summary and highlights.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from chassis.text import is_blank
from services.user.domain.profile import (
    Availability,
    Education,
    Experience,
    Language,
    Location,
    Preferences,
    Profile,
    ProfileCertificate,
    ProfileLink,
    Project,
    Skill,
    SkillLevel,
    Student,
)

Json = dict[str, Any]

SCHEMA_URL: Final = "https://raw.githubusercontent.com/jsonresume/resume-schema/v1.0.0/schema.json"
SCHEMA_VERSION: Final = "v1.0.0"
EXTENSION: Final = "internshipconnect"
"""The key below `meta` of data that the schema has no place for."""
HIGHLIGHT_MARK: Final = "- "

SKILL_LEVEL_WORDS: Final[Mapping[SkillLevel, str]] = {
    SkillLevel.BEGINNER: "Beginner",
    SkillLevel.INTERMEDIATE: "Intermediate",
    SkillLevel.ADVANCED: "Advanced",
    SkillLevel.EXPERT: "Expert",
}


def export_json_resume(profile: Profile) -> Json:
    """Return the JSON Resume of a student's profile, without empty values."""
    student = profile.student or Student()
    return {
        "$schema": SCHEMA_URL,
        **_filled(
            basics=_basics(profile, student),
            work=list(map(_work, student.experience)),
            education=list(map(_education, student.education)),
            certificates=list(map(_certificate, student.certificates)),
            skills=list(map(_skill, student.skills)),
            languages=list(map(_language, student.languages)),
            projects=list(map(_project, student.projects)),
        ),
        "meta": _meta(profile, student),
    }


def _filled(**values: Any) -> Json:
    """Return the values that are not empty; numbers count as filled, also 0."""
    return {name: value for name, value in values.items() if value or (value == 0 and value is not False)}


def _basics(profile: Profile, student: Student) -> Json:
    return _filled(
        name=profile.name,
        label=student.headline,
        email=profile.email,
        summary=student.summary,
        location=_location(student.location) if student.location else {},
        profiles=list(map(_link, student.links)),
    )


def _location(location: Location) -> Json:
    return _filled(
        city=location.city,
        region=location.region,
        countryCode=location.country,
        lat=location.lat,
        lng=location.lng,
    )


def _link(link: ProfileLink) -> Json:
    return _filled(network=link.label, url=link.url)


def _work(experience: Experience) -> Json:
    summary, highlights = split_highlights(experience.summary)
    return _filled(
        name=experience.organisation,
        position=experience.position,
        startDate=experience.start,
        endDate=experience.end,
        summary=summary,
        highlights=highlights,
    )


def _education(education: Education) -> Json:
    return _filled(
        institution=education.institution,
        area=education.area,
        studyType=education.degree,
        startDate=education.start,
        endDate=education.end,
        score=education.score,
    )


def _certificate(certificate: ProfileCertificate) -> Json:
    return _filled(
        name=certificate.name, date=certificate.date, url=certificate.url, issuer=certificate.issuer
    )


def _skill(skill: Skill) -> Json:
    return _filled(name=skill.name, level=SKILL_LEVEL_WORDS.get(skill.level, ""))


def _language(language: Language) -> Json:
    return _filled(language=language.name, fluency=language.fluency)


def _project(project: Project) -> Json:
    description, highlights = split_highlights(project.summary)
    return _filled(
        name=project.name,
        description=description,
        highlights=highlights,
        keywords=list(project.keywords),
        url=project.url,
    )


def _meta(profile: Profile, student: Student) -> Json:
    modified = f"{profile.update_time:%Y-%m-%dT%H:%M:%S}" if profile.update_time else ""
    return _filled(
        version=SCHEMA_VERSION,
        lastModified=modified,
        **{
            EXTENSION: _filled(
                availability=_availability(student.availability) if student.availability else {},
                workAuthorisation=list(student.work_authorisation),
                preferences=_preferences(student.preferences) if student.preferences else {},
            )
        },
    )


def _availability(availability: Availability) -> Json:
    return {
        "from": availability.from_,
        "to": availability.to,
        "hoursPerWeek": availability.hours_per_week,
    }


def _preferences(preferences: Preferences) -> Json:
    return {
        "fields": list(preferences.fields),
        "cities": list(preferences.cities),
        "workModes": [str(mode) for mode in preferences.work_modes],
        "currency": preferences.currency,
        "minHourlyPayMinor": preferences.min_hourly_pay_minor,
    }


def split_highlights(text: str) -> tuple[str, list[str]]:
    """Return a text without the list at its end, and the list's items; `join_highlights` undoes it."""
    lines = text.split("\n")
    first = len(lines)
    while first > 0 and _is_highlight(lines[first - 1]):
        first -= 1
    head = "\n".join(lines[:first])
    if first and is_blank(head):
        return text, []
    return head, [line.removeprefix(HIGHLIGHT_MARK) for line in lines[first:]]


def join_highlights(text: str, highlights: Iterable[str]) -> str:
    """Return a text with a list at its end."""
    items = [f"{HIGHLIGHT_MARK}{item}" for item in highlights]
    return "\n".join([*([text] if text or not items else []), *items])


def _is_highlight(line: str) -> bool:
    item = line.removeprefix(HIGHLIGHT_MARK)
    return item != line and item == item.strip() != ""

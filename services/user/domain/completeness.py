"""How complete a profile is: parts with weights, and the step that adds the most."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from chassis.text import is_blank
from services.user.domain.profile import Profile, Student

FULL_SCORE: Final = 100
SKILLS_WANTED: Final = 5
"""The number of skills of a complete profile; fewer count in proportion."""
SUMMARY_CHARS_WANTED: Final = 80
"""The length of a complete summary; a shorter one counts half."""


class ProfilePart(StrEnum):
    """What a profile consists of when it is complete."""

    UNSPECIFIED = "UNSPECIFIED"
    NAME = "NAME"
    HEADLINE = "HEADLINE"
    SUMMARY = "SUMMARY"
    LOCATION = "LOCATION"
    EDUCATION = "EDUCATION"
    PRACTICE = "PRACTICE"
    SKILLS = "SKILLS"
    LANGUAGES = "LANGUAGES"
    AVAILABILITY = "AVAILABILITY"
    LINKS = "LINKS"
    WORK_AUTHORISATION = "WORK_AUTHORISATION"


@dataclass(frozen=True, slots=True)
class PartCompleteness:
    """The points of one part, and what completes it; `step` is empty for a complete part."""

    part: ProfilePart
    weight: int
    earned: int
    step: str = ""


@dataclass(frozen=True, slots=True)
class ProfileCompleteness:
    """0 to 100 points, by part, and the next step; a complete profile has none."""

    score: int
    parts: tuple[PartCompleteness, ...]
    next_part: ProfilePart = ProfilePart.UNSPECIFIED
    next_step: str = ""


@dataclass(frozen=True, slots=True)
class _PartRule:
    """A part: its weight, the share of it that a profile has (0 to 1), and what completes it."""

    weight: int
    share: Callable[[Profile, Student], float]
    step: str


_PART_RULES: Final[Mapping[ProfilePart, _PartRule]] = {
    ProfilePart.EDUCATION: _PartRule(
        15,
        lambda _, student: _share_of_education(student),
        "Add your studies with subject and expected end; companies look for a graduation window.",
    ),
    ProfilePart.SKILLS: _PartRule(
        15,
        lambda _, student: len(student.skills) / SKILLS_WANTED,
        f"Add at least {SKILLS_WANTED} skills; companies search for them first.",
    ),
    ProfilePart.PRACTICE: _PartRule(
        15,
        lambda _, student: bool(student.experience or student.projects),
        "Add a job, a voluntary activity or a project; a course project counts.",
    ),
    ProfilePart.HEADLINE: _PartRule(
        10,
        lambda _, student: not is_blank(student.headline),
        "Write one line about yourself; it stands below your name in every list.",
    ),
    ProfilePart.SUMMARY: _PartRule(
        10,
        lambda _, student: _share_of_summary(student),
        "Write a few sentences about what you like to do and look for.",
    ),
    ProfilePart.AVAILABILITY: _PartRule(
        10,
        lambda _, student: student.availability is not None and bool(student.availability.from_),
        "Say from when you can work.",
    ),
    ProfilePart.NAME: _PartRule(5, lambda profile, _: not is_blank(profile.name), "Say how you are called."),
    ProfilePart.LOCATION: _PartRule(
        5,
        lambda _, student: student.location is not None and bool(student.location.city),
        "Say in which city you live; companies search near theirs.",
    ),
    ProfilePart.LANGUAGES: _PartRule(
        5, lambda _, student: bool(student.languages), "Add the languages that you speak."
    ),
    ProfilePart.LINKS: _PartRule(
        5, lambda _, student: bool(student.links), "Add a link to your portfolio, code or page."
    ),
    ProfilePart.WORK_AUTHORISATION: _PartRule(
        5,
        lambda _, student: bool(student.work_authorisation),
        "Name the countries in which you may work.",
    ),
}
"""The parts; of two that add the same, the earlier one is the next step. The weights add up to 100."""


def measure_completeness(profile: Profile) -> ProfileCompleteness:
    """Return how complete a student's profile is."""
    student = profile.student or Student()
    parts = tuple(_measure(part, rule, profile, student) for part, rule in _PART_RULES.items())
    score = sum(part.earned for part in parts)
    if score == FULL_SCORE:
        return ProfileCompleteness(score, parts)
    following = max(parts, key=lambda part: part.weight - part.earned)
    return ProfileCompleteness(score, parts, following.part, following.step)


def _measure(part: ProfilePart, rule: _PartRule, profile: Profile, student: Student) -> PartCompleteness:
    earned = round(rule.weight * min(1.0, rule.share(profile, student)))
    return PartCompleteness(part, rule.weight, earned, "" if earned == rule.weight else rule.step)


def _share_of_education(student: Student) -> float:
    """Return two thirds for a school, a third more where one names subject and end."""
    if not student.education:
        return 0.0
    return 1.0 if any(each.area and each.end for each in student.education) else 2 / 3


def _share_of_summary(student: Student) -> float:
    if is_blank(student.summary):
        return 0.0
    return 1.0 if len(student.summary) >= SUMMARY_CHARS_WANTED else 0.5

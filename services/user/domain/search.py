"""Finding students: what of a profile can be found, by whom, and by which words."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import snowballstemmer

from services.user.domain.profile import AccountKind, Education, Location, Profile, Skill, Student, Visibility

MOST_WORDS: Final = 500
"""Different words by which one student can be found."""

_WORD: Final = re.compile(r"[\w+#]+")
_STEMMER: Final = snowballstemmer.stemmer("english")


@dataclass(frozen=True, slots=True)
class StudentEntry:
    """A student as recruiters find them: the card that is shown, and what it is found by."""

    id: str
    name: str
    headline: str
    location: Location | None
    skills: tuple[Skill, ...]
    education: tuple[Education, ...]
    words: tuple[str, ...]
    skill_keys: tuple[str, ...]
    city_key: str
    country: str
    blocked_company_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StudentQuery:
    """Students with all of these words and skills, in this place, who have not blocked the asking company."""

    company_id: str
    words: tuple[str, ...] = ()
    skill_keys: tuple[str, ...] = ()
    city_key: str = ""
    country: str = ""


def student_query(
    *, company_id: str, text: str = "", skills: Iterable[str] = (), city: str = "", country: str = ""
) -> StudentQuery:
    """The query for what a recruiter typed."""
    return StudentQuery(
        company_id=company_id,
        words=_stems([text]),
        skill_keys=tuple(dict.fromkeys(fold(skill) for skill in skills)),
        city_key=fold(city),
        country=country,
    )


def student_entry(profile: Profile) -> StudentEntry | None:
    """How recruiters find this person; None when they are not to be found."""
    student = profile.student
    may_be_found = (
        profile.kind is AccountKind.STUDENT
        and profile.email_verified
        and profile.account_version is not None
        and student is not None
        and student.visibility is Visibility.RECRUITERS
    )
    return _entry(profile, student) if may_be_found and student else None


def fold(text: str) -> str:
    """Text as it is compared: without letter case, accents and outer blanks."""
    decomposed = unicodedata.normalize("NFKD", text.strip().casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def _entry(profile: Profile, student: Student) -> StudentEntry:
    return StudentEntry(
        id=profile.id,
        name=profile.name,
        headline=student.headline,
        location=student.location,
        skills=student.skills,
        education=student.education,
        words=_stems(_texts(student)),
        skill_keys=tuple(fold(skill.name) for skill in student.skills),
        city_key=fold(student.location.city) if student.location else "",
        country=student.location.country if student.location else "",
        blocked_company_ids=student.blocked_company_ids,
    )


def _texts(student: Student) -> Iterable[str]:
    yield student.headline
    for education in student.education:
        yield from (education.institution, education.area, education.degree)
    for project in student.projects:
        yield from (project.name, *project.keywords, project.summary)
    yield student.summary


def _stems(texts: Iterable[str]) -> tuple[str, ...]:
    stems = dict.fromkeys(_stem(word) for text in texts for word in _WORD.findall(fold(text)))
    return tuple(stems)[:MOST_WORDS]


@lru_cache(maxsize=20_000)
def _stem(word: str) -> str:
    return str(_STEMMER.stemWord(word))

"""Finding students: what of a profile can be found, by whom, and by which words."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final

from chassis.search.grammar import Grammar
from chassis.search.names import names_in
from chassis.search.places import FoundPlace, Gazetteer
from chassis.search.reading import Reading
from chassis.search.text import key_of, terms_of
from services.user.domain.profile import AccountKind, Education, Location, Profile, Skill, Student, Visibility

MOST_WORDS: Final = 500
"""Different words by which one student can be found."""
MAX_NAMESAKES: Final = 20
"""Cities of one name that a filter by city stands for."""
FORMAT: Final = 2
"""Of what is stored; what is stored in another is made anew (`ProfileStore.renew`)."""

SKILL, HEADLINE, FIELD, PLACE, TEXT = 100, 40, 12, 8, 2
"""How much a term counts by where it is found."""

_ORDINARY: Final = """
student students intern interns internship candidate candidates graduate graduates applicant applicants talent
talents studierende studenten studentin studenti estudiante estudiantes etudiant etudiants
студент студенты طالب طلاب छात्र 学生 实习生 นักศึกษา 학생
"""
GRAMMAR: Final = Grammar(ordinary=frozenset(_ORDINARY.split()))
"""Words that every student means."""

NO_WORDS: Final = Reading()


@dataclass(frozen=True, slots=True)
class StudentEntry:
    """A student as recruiters find them: the card that is shown, and what it is found by.

    `impacts` says how much each of the `words` counts.
    """

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
    impacts: dict[str, int]
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class StudentQuery:
    """Students with all of what was read and these skills, in this place, not of a company they have blocked.

    `least` words have to be found; None: all that are demanded.
    """

    company_id: str
    reading: Reading = NO_WORDS
    skill_keys: tuple[str, ...] = ()
    city_keys: tuple[str, ...] = ()
    country: str = ""
    least: int | None = None


def student_query(
    *,
    company_id: str,
    places: Gazetteer,
    reading: Reading = NO_WORDS,
    skills: Iterable[str] = (),
    city: str = "",
    country: str = "",
) -> StudentQuery:
    """The query for what a recruiter typed."""
    return StudentQuery(
        company_id=company_id,
        reading=reading,
        skill_keys=tuple(dict.fromkeys(key_of(skill) for skill in skills)),
        city_keys=_city_keys(city, country, places),
        country=country,
    )


def student_entry(profile: Profile, places: Gazetteer) -> StudentEntry | None:
    """How recruiters find this person; None when they are not to be found."""
    student = profile.student
    may_be_found = (
        profile.kind is AccountKind.STUDENT
        and profile.email_verified
        and profile.account_version is not None
        and student is not None
        and student.visibility is Visibility.RECRUITERS
    )
    return _entry(profile, student, places) if may_be_found and student else None


def _entry(profile: Profile, student: Student, places: Gazetteer) -> StudentEntry:
    where = student.location or Location()
    city = places.locate(where.city, where.region, where.country) if where.city else None
    impacts = _impacts(student, where, city, places)
    return StudentEntry(
        id=profile.id,
        name=profile.name,
        headline=student.headline,
        location=student.location,
        skills=student.skills,
        education=student.education,
        words=tuple(impacts),
        skill_keys=tuple(key_of(skill.name) for skill in student.skills),
        city_key=city.term if city else key_of(where.city),
        country=where.country,
        blocked_company_ids=student.blocked_company_ids,
        impacts=impacts,
    )


def _impacts(student: Student, where: Location, city: FoundPlace | None, places: Gazetteer) -> dict[str, int]:
    """How much each term counts, those that count most first if there are too many."""
    state = places.state_name(city.region) if city and city.country == "US" else ""
    lands = places.lands_of(city, where.country)
    impacts = Counter(dict.fromkeys([city.term, *lands] if city else lands, PLACE))
    for weight, texts in (
        (SKILL, [skill.name for skill in student.skills]),
        (HEADLINE, [student.headline]),
        (FIELD, [*(each.area for each in student.education), *_wanted_fields(student)]),
        (PLACE, [where.city, where.region, city.name if city else "", state]),
        (TEXT, _prose(student)),
    ):
        for term in terms_of("\n".join(texts)).union(
            *(names_in(text, is_prose=weight < FIELD) for text in texts)
        ):
            impacts[term] += weight
    return dict(islice(impacts.most_common(), MOST_WORDS))


def _wanted_fields(student: Student) -> Iterable[str]:
    return student.preferences.fields if student.preferences else ()


def _prose(student: Student) -> list[str]:
    schools = [text for each in student.education for text in (each.institution, each.degree)]
    projects = [text for each in student.projects for text in (each.name, *each.keywords, each.summary)]
    return [*schools, *projects, student.summary]


def _city_keys(city: str, country: str, places: Gazetteer) -> tuple[str, ...]:
    if not key_of(city):
        return ()
    found = places.cities(city, country=country)[:MAX_NAMESAKES]
    return (*(each.term for each in found), key_of(city))

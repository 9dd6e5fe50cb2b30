"""Searches for students: the searchable part of a profile, its visibility, and its words."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final

from chassis.errors import Violation
from chassis.search.gazetteer import Gazetteer, GazetteerEntry
from chassis.search.query_parser import ParsedQuery
from chassis.search.query_segmentation import QueryGrammar
from chassis.search.synonyms import find_synonym_terms
from chassis.search.text_analysis import index_terms, name_key
from chassis.search.totals import NO_TOTAL, TotalEstimate
from services.user.domain.profile import Education, Location, Profile, ProfileKind, Skill, Student, Visibility
from services.user.domain.schools import is_student_verified
from services.user.domain.skills import skill_key, skill_names, wanted_skill_key
from services.user.domain.studies import (
    MonthWindow,
    field_alternatives,
    field_terms,
    graduation_months,
    school_words,
)

MAX_WORDS_PER_STUDENT: Final = 500
"""Different words of one student in the index."""
MAX_NAMESAKES: Final = 20
"""Cities of one name that a filter by city includes."""
STUDENT_ENTRY_FORMAT: Final = 3
"""The format of stored entries; `ProfileRepository.upgrade_outdated_entries` replaces others."""

SKILL_WEIGHT, HEADLINE_WEIGHT, FIELD_WEIGHT, PLACE_WEIGHT, TEXT_WEIGHT = 100, 40, 12, 8, 2
"""The weight of a term by the place where it is found."""

_ORDINARY: Final = """
student students intern interns internship internships trainee trainees apprentice apprentices
undergraduate undergraduates candidate candidates graduate graduates applicant applicants talent talents
studierende studenten studentin studentinnen praktikant praktikantin praktikanten werkstudent werkstudentin
werkstudenten studenti studente studentessa tirocinante tirocinanti stagista stagisti
estudiante estudiantes estudante estudantes becario becaria becarios practicante practicantes pasante pasantes
etudiant etudiants etudiante etudiantes stagiaire stagiaires alternant alternants estagiario estagiarios
stagiair stagiairs stajyer ogrenci stazysta студент студенты студентов стажер стажеры
طالب طلاب متدرب छात्र इंटर्न 学生 实习生 實習生 インターン インターン生 นักศึกษา นักศึกษาฝึกงาน 학생 인턴
"""
STUDENT_GRAMMAR: Final = QueryGrammar(uninformative_words=frozenset(_ORDINARY.split()))
"""The grammar of searches for students, with the words that fit every student."""

NO_WORDS: Final = ParsedQuery()
WORDLESS: Final = -1
"""That none of the words had to match."""


@dataclass(frozen=True, slots=True)
class StudentEntry:
    """A student in the index: the card that recruiters see, and the searchable data.

    `impacts` is the weight of each of the `words`; `graduation_first` and `graduation_last` bound the end of
    the studies, in months since the year 0. What an older format lacks has a default.
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
    format: int = STUDENT_ENTRY_FORMAT
    open_to_work: bool = False
    student_verified: bool = False
    school_words: tuple[str, ...] = ()
    field_terms: tuple[str, ...] = ()
    graduation_first: int | None = None
    graduation_last: int | None = None


@dataclass(frozen=True, slots=True)
class StudentQuery:
    """Students with these words, skills and studies, in this place, who have not blocked the company.

    At least `min_words` words have to match; None: all required ones. Of `field_terms` one alternative has to
    match, with all of its terms.
    """

    company_id: str
    reading: ParsedQuery = NO_WORDS
    skill_keys: tuple[str, ...] = ()
    city_keys: tuple[str, ...] = ()
    country: str = ""
    min_words: int | None = None
    school_words: tuple[str, ...] = ()
    field_terms: tuple[tuple[str, ...], ...] = ()
    graduation: MonthWindow | None = None


StudentSortKey = tuple[int, str]
"""A student's rank and ID."""


@dataclass(frozen=True, slots=True)
class StudentPage:
    """Entries in order, at most as many as requested, and the sort key of the last one.

    `missing` names shards that did not answer.
    """

    entries: list[StudentEntry]
    has_more: bool
    missing: list[str]
    last: StudentSortKey | None = None


@dataclass(frozen=True, slots=True)
class StudentPageCursor:
    """The begin of a later page, and the values of the first page that must not change."""

    after: StudentSortKey
    min_words: int
    weights: tuple[int, ...]
    total: TotalEstimate = NO_TOTAL


@dataclass(frozen=True, slots=True)
class StudentSearchRequest:
    """A search for students as requested."""

    company_id: str
    text: str
    skills: tuple[str, ...]
    city: str
    country: str
    is_literal: bool
    school: str = ""
    field_of_study: str = ""
    graduation: MonthWindow | None = None
    is_blind: bool = False


@dataclass(frozen=True, slots=True)
class StudentSearchPage:
    """A page of students, how the words were read, how many had to match for it (0: all; `WORDLESS`: none),
    and how many students match."""

    page: StudentPage
    reading: ParsedQuery
    min_words: int = 0
    total: TotalEstimate = NO_TOTAL


def build_student_query(
    *,
    company_id: str,
    places: Gazetteer,
    reading: ParsedQuery = NO_WORDS,
    skills: Iterable[str] = (),
    city: str = "",
    country: str = "",
    school: str = "",
    field_of_study: str = "",
    graduation: MonthWindow | None = None,
) -> StudentQuery:
    """Return the query for a recruiter's text."""
    return StudentQuery(
        company_id=company_id,
        reading=reading,
        skill_keys=tuple(dict.fromkeys(map(wanted_skill_key, skills))),
        city_keys=_city_keys(city, country, places),
        country=country,
        school_words=school_words([school]),
        field_terms=field_alternatives(field_of_study),
        graduation=graduation,
    )


def check_student_request(request: StudentSearchRequest) -> tuple[Violation, ...]:
    """Return the violations of a search, beyond the contract's rules."""
    found = []
    if request.graduation and request.graduation.first > request.graduation.last:
        found.append(Violation("graduationTo", "is before graduationFrom"))
    if request.is_blind and request.school:
        found.append(Violation("school", "cannot be asked for where schools are hidden"))
    return tuple(found)


def may_be_found(profile: Profile) -> bool:
    """Return whether recruiters may find the person, and open the profile."""
    student = profile.student
    return (
        profile.kind is ProfileKind.STUDENT
        and profile.email_verified
        and profile.account_version is not None
        and student is not None
        and student.visibility is Visibility.RECRUITERS
        and student.open_to_work is not False
    )


def may_be_seen_by(profile: Profile, company_id: str) -> bool:
    """Return whether members of a verified company may find the person, and open the profile."""
    blocked = profile.student.blocked_company_ids if profile.student else ()
    return may_be_found(profile) and company_id not in blocked


def build_student_entry(profile: Profile, places: Gazetteer) -> StudentEntry | None:
    """Return the person's index entry; None when recruiters may not find them."""
    student = profile.student
    return _build_entry(profile, student, places) if student and may_be_found(profile) else None


def _build_entry(profile: Profile, student: Student, places: Gazetteer) -> StudentEntry:
    where = student.location or Location()
    city = places.locate(where.city, where.region, where.country) if where.city else None
    impacts, studies = _impacts(student, where, city, places), student.education
    graduation = graduation_months(each.end for each in studies)
    return StudentEntry(
        id=profile.id,
        name=profile.name,
        headline=student.headline,
        location=student.location,
        skills=student.skills,
        education=student.education,
        words=tuple(impacts),
        skill_keys=tuple(dict.fromkeys(map(skill_key, student.skills))),
        city_key=city.term if city else name_key(where.city),
        country=where.country,
        blocked_company_ids=student.blocked_company_ids,
        impacts=impacts,
        open_to_work=student.open_to_work is True,
        student_verified=is_student_verified(profile),
        school_words=school_words(each.institution for each in studies),
        field_terms=field_terms(each.area for each in studies),
        graduation_first=graduation.first if graduation else None,
        graduation_last=graduation.last if graduation else None,
    )


def _impacts(
    student: Student, where: Location, city: GazetteerEntry | None, places: Gazetteer
) -> dict[str, int]:
    """Return the weight of each term, the highest first if there are too many."""
    state = places.state_name(city.region) if city and city.country == "US" else ""
    lands = places.containing_terms(city, where.country)
    impacts = Counter(dict.fromkeys([city.term, *lands] if city else lands, PLACE_WEIGHT))
    for weight, texts in (
        (SKILL_WEIGHT, [name for skill in student.skills for name in skill_names(skill)]),
        (HEADLINE_WEIGHT, [student.headline]),
        (FIELD_WEIGHT, [*(each.area for each in student.education), *_wanted_fields(student)]),
        (PLACE_WEIGHT, [where.city, where.region, city.name if city else "", state]),
        (TEXT_WEIGHT, _prose(student)),
    ):
        for term in index_terms("\n".join(texts)).union(
            *(find_synonym_terms(text, is_prose=weight < FIELD_WEIGHT) for text in texts)
        ):
            impacts[term] += weight
    return dict(islice(impacts.most_common(), MAX_WORDS_PER_STUDENT))


def _wanted_fields(student: Student) -> Iterable[str]:
    return student.preferences.fields if student.preferences else ()


def _prose(student: Student) -> list[str]:
    schools = [text for each in student.education for text in (each.institution, each.degree)]
    projects = [text for each in student.projects for text in (each.name, *each.keywords, each.summary)]
    return [*schools, *projects, student.summary]


def _city_keys(city: str, country: str, places: Gazetteer) -> tuple[str, ...]:
    if not name_key(city):
        return ()
    found = places.cities(city, country=country)[:MAX_NAMESAKES]
    return (*(each.term for each in found), name_key(city))

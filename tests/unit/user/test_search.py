from dataclasses import replace

import pytest

from chassis.search.gazetteer import shared_gazetteer
from chassis.search.query_parser import ParsedQuery, QueryParser
from chassis.search.vocabulary import Vocabulary
from services.user.domain import (
    Profile,
    ProfileKind,
    Project,
    Student,
    Visibility,
    build_student_entry,
    build_student_query,
)
from services.user.domain.search import MAX_WORDS_PER_STUDENT, STUDENT_GRAMMAR, StudentEntry
from tests.unit.user.samples import COMPANY, PROFILE, STUDENT


def entry(student: Student = STUDENT) -> StudentEntry:
    found = build_student_entry(
        replace(PROFILE, student=replace(student, visibility=Visibility.RECRUITERS)), shared_gazetteer()
    )
    assert found is not None
    return found


@pytest.mark.parametrize(
    "profile",
    [
        replace(PROFILE, email_verified=False),
        replace(PROFILE, account_version=None),
        replace(PROFILE, student=replace(STUDENT, visibility=Visibility.WHEN_I_APPLY)),
        replace(PROFILE, student=replace(STUDENT, visibility=Visibility.NOBODY)),
        replace(PROFILE, kind=ProfileKind.COMPANY, student=None),
    ],
)
def test_who_does_not_want_to_be_found_or_is_not_proven_is_not_found(profile: Profile) -> None:
    assert build_student_entry(profile, shared_gazetteer()) is None


def read(text: str) -> ParsedQuery:
    vocabulary = Vocabulary(dict.fromkeys(entry().words, 1), 1)
    return QueryParser(STUDENT_GRAMMAR, vocabulary, shared_gazetteer()).parse(text)


@pytest.mark.parametrize(
    "text",
    ["engine", "ENGINES", "zurich", "Zürich physics", "bsc", "looms", "sketch", "python", "C++", "cpp",
     "student in Switzerland", "physics students", "pyth", "pyhton", "züri", "engineering"],
)  # fmt: skip
def test_a_student_is_found_by_skills_fields_places_and_words_in_any_form(text: str) -> None:
    demanded = read(text).required_terms
    assert demanded
    for word in demanded:
        assert not set(word.qualities).isdisjoint(entry().words), word


def test_words_of_headline_summary_education_skills_and_projects_count_and_no_others() -> None:
    assert "acm" not in entry().words
    assert not {"intern", "union"} & set(entry().words)


def test_a_skill_counts_more_than_a_headline_and_that_more_than_prose() -> None:
    impacts = entry().impacts
    assert impacts["=python"] > impacts["physicist"] > impacts["loom"]


def test_skills_are_compared_as_they_are_meant() -> None:
    query = build_student_query(
        company_id=COMPANY, places=shared_gazetteer(), skills=["python ", "PYTHON", "c++"]
    )
    assert query.skill_keys == ("python", "c++") == entry().skill_keys


@pytest.mark.parametrize("city", ["zurich", "Zürich", "Zuerich", "Цюрих", "チューリッヒ"])
def test_a_place_is_compared_by_all_its_names(city: str) -> None:
    assert (
        entry().city_key
        in build_student_query(company_id=COMPANY, places=shared_gazetteer(), city=city).city_keys
    )


def test_an_endless_profile_is_found_by_a_bounded_number_of_words() -> None:
    words = " ".join(f"word{number}x" for number in range(2000))
    assert len(entry(Student(projects=(Project("p", summary=words),))).words) == MAX_WORDS_PER_STUDENT

from dataclasses import replace
from typing import Any

import pytest

from chassis.search.gazetteer import shared_gazetteer
from chassis.search.query_parser import ParsedQuery, QueryParser
from chassis.search.vocabulary import Vocabulary
from services.user.domain import (
    Profile,
    ProfileKind,
    Project,
    Skill,
    Student,
    Visibility,
    build_student_entry,
    build_student_query,
)
from services.user.domain.search import (
    MAX_WORDS_PER_STUDENT,
    STUDENT_GRAMMAR,
    StudentEntry,
    StudentSearchRequest,
    check_student_request,
    may_be_found,
    may_be_seen_by,
)
from services.user.domain.studies import month_window
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
        company_id=COMPANY, places=shared_gazetteer(), skills=["python ", "py", "ic:python", "cpp"]
    )
    assert query.skill_keys == ("ic:python", "ic:cpp") == entry().skill_keys


def test_a_skill_that_the_taxonomy_lacks_is_found_by_its_name() -> None:
    query = build_student_query(company_id=COMPANY, places=shared_gazetteer(), skills=[" Kite  BUILDING"])
    weaver = replace(STUDENT, skills=(Skill("kite building"),))
    assert query.skill_keys == ("kite building",) == entry(weaver).skill_keys


def test_a_student_with_an_older_profile_is_found_by_all_names_of_a_skill() -> None:
    older = entry(replace(STUDENT, skills=(Skill("K8s"),)))
    assert older.skill_keys == ("ic:kubernetes",)
    assert {"kubernetes", "k8s"} <= set(older.words)


def test_who_looks_for_no_work_is_not_found_and_who_has_not_said_is() -> None:
    visible = replace(PROFILE, student=replace(STUDENT, visibility=Visibility.RECRUITERS, open_to_work=None))
    assert may_be_found(visible)
    assert not may_be_found(replace(visible, student=replace(STUDENT, open_to_work=False)))


def test_a_blocked_company_sees_nobody_who_blocked_it() -> None:
    assert may_be_seen_by(PROFILE, "cmp_01JD0000000000000000000001")
    assert not may_be_seen_by(PROFILE, COMPANY)


def test_the_entry_holds_what_studies_are_looked_for_by() -> None:
    found = entry()
    assert found.school_words == ("eth", "zurich")
    assert "physics" in found.field_terms
    assert found.graduation_first == found.graduation_last == 2027 * 12 + 5
    assert (found.open_to_work, found.student_verified) == (True, False)


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({}, []),
        ({"graduation": month_window("2027-06", "2027-05")}, ["graduationTo"]),
        ({"school": "ETH", "is_blind": True}, ["school"]),
        ({"school": "ETH"}, []),
    ],
)
def test_what_makes_no_sense_together_is_named(changes: dict[str, Any], fields: list[str]) -> None:
    request = StudentSearchRequest(COMPANY, "", (), "", "", is_literal=False, **changes)
    assert [each.field for each in check_student_request(request)] == fields


@pytest.mark.parametrize("city", ["zurich", "Zürich", "Zuerich", "Цюрих", "チューリッヒ"])
def test_a_place_is_compared_by_all_its_names(city: str) -> None:
    assert (
        entry().city_key
        in build_student_query(company_id=COMPANY, places=shared_gazetteer(), city=city).city_keys
    )


def test_an_endless_profile_is_found_by_a_bounded_number_of_words() -> None:
    words = " ".join(f"word{number}x" for number in range(2000))
    assert len(entry(Student(projects=(Project("p", summary=words),))).words) == MAX_WORDS_PER_STUDENT

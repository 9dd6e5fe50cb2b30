from dataclasses import replace

import pytest

from services.user.domain import (
    AccountKind,
    Profile,
    Project,
    Student,
    Visibility,
    student_entry,
    student_query,
)
from services.user.domain.search import MOST_WORDS, StudentEntry
from tests.unit.user.samples import COMPANY, PROFILE, STUDENT


def entry(student: Student = STUDENT) -> StudentEntry:
    found = student_entry(replace(PROFILE, student=replace(student, visibility=Visibility.RECRUITERS)))
    assert found is not None
    return found


@pytest.mark.parametrize(
    "profile",
    [
        replace(PROFILE, email_verified=False),
        replace(PROFILE, account_version=None),
        replace(PROFILE, student=replace(STUDENT, visibility=Visibility.WHEN_I_APPLY)),
        replace(PROFILE, student=replace(STUDENT, visibility=Visibility.NOBODY)),
        replace(PROFILE, kind=AccountKind.COMPANY, student=None),
    ],
)
def test_who_does_not_want_to_be_found_or_is_not_proven_is_not_found(profile: Profile) -> None:
    assert student_entry(profile) is None


@pytest.mark.parametrize("text", ["engine", "ENGINES", "zurich", "Zürich physics", "bsc", "looms", "sketch"])
def test_words_are_found_in_any_form_case_and_accent(text: str) -> None:
    query = student_query(company_id=COMPANY, text=text)
    assert query.words
    assert set(query.words) <= set(entry().words)


def test_words_of_headline_summary_education_and_projects_count_and_no_others() -> None:
    assert "acm" not in entry().words
    assert not {"intern", "union"} & set(entry().words)


def test_skills_are_compared_as_they_are_meant() -> None:
    query = student_query(company_id=COMPANY, skills=["python ", "PYTHON", "c++"])
    assert query.skill_keys == ("python", "c++") == entry().skill_keys


def test_a_place_is_compared_without_case_and_accents() -> None:
    assert student_query(company_id=COMPANY, city="zurich").city_key == entry().city_key


def test_an_endless_profile_is_found_by_a_bounded_number_of_words() -> None:
    words = " ".join(f"word{number}x" for number in range(2000))
    assert len(entry(Student(projects=(Project("p", summary=words),))).words) == MOST_WORDS

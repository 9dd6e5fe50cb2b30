from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.user.domain import Education, Profile, ProfileKind, Skill, Student, new_profile
from services.user.domain.completeness import (
    FULL_SCORE,
    PartCompleteness,
    ProfilePart,
    measure_completeness,
)
from tests.unit.user.samples import PROFILE, STUDENT, USER

EMPTY = new_profile(USER, ProfileKind.STUDENT)
FULL = replace(
    PROFILE,
    student=replace(
        STUDENT,
        summary="I like engines, looms and the notes that one writes about both of them, in that order.",
        skills=tuple(Skill(f"Skill {number}") for number in range(5)),
    ),
)


def part_of(profile: Profile, part: ProfilePart) -> PartCompleteness:
    return next(each for each in measure_completeness(profile).parts if each.part is part)


def with_student(**values: object) -> Profile:
    return replace(EMPTY, student=Student(**values))  # type: ignore[arg-type]


def test_the_weights_add_up_to_a_hundred_and_each_part_is_measured_once() -> None:
    parts = measure_completeness(EMPTY).parts
    assert sum(each.weight for each in parts) == FULL_SCORE
    assert sorted(each.part for each in parts) == sorted(set(ProfilePart) - {ProfilePart.UNSPECIFIED})


def test_an_empty_profile_has_nothing_and_begins_with_its_studies() -> None:
    measured = measure_completeness(EMPTY)
    assert (measured.score, measured.next_part) == (0, ProfilePart.EDUCATION)
    assert measured.next_step.startswith("Add your studies")
    assert all(each.step for each in measured.parts)


def test_a_complete_profile_has_no_next_step() -> None:
    measured = measure_completeness(FULL)
    assert (measured.score, measured.next_part, measured.next_step) == (
        FULL_SCORE,
        ProfilePart.UNSPECIFIED,
        "",
    )
    assert not any(each.step for each in measured.parts)


@pytest.mark.parametrize(("count", "earned"), [(0, 0), (1, 3), (3, 9), (5, 15), (60, 15)])
def test_skills_count_in_proportion(count: int, earned: int) -> None:
    skills = tuple(Skill(f"Skill {number}") for number in range(count))
    assert part_of(with_student(skills=skills), ProfilePart.SKILLS).earned == earned


def test_a_school_alone_counts_less_than_one_with_subject_and_end() -> None:
    school, studies = Education("TU"), Education("TU", area="Physics", end="2027")
    assert part_of(with_student(education=(school,)), ProfilePart.EDUCATION).earned == 10
    assert part_of(with_student(education=(school, studies)), ProfilePart.EDUCATION).earned == 15


def test_a_few_words_are_half_a_summary() -> None:
    assert part_of(with_student(summary="Hello."), ProfilePart.SUMMARY).earned == 5


def test_the_next_step_is_the_one_that_adds_the_most() -> None:
    student = replace(STUDENT, headline="", skills=(Skill("Python"), Skill("C++"), Skill("Go")))
    measured = measure_completeness(replace(FULL, student=replace(student, summary=FULL_SUMMARY)))
    assert measured.next_part is ProfilePart.HEADLINE


FULL_SUMMARY = FULL.student.summary if FULL.student else ""
FIELDS = [
    "headline", "summary", "location", "links", "education", "experience", "projects", "skills", "languages",
    "availability", "work_authorisation",
]  # fmt: skip


@given(st.sets(st.sampled_from(FIELDS)), st.sampled_from(FIELDS))
def test_what_is_added_never_lowers_the_score(known: set[str], added: str) -> None:
    def filled(names: set[str]) -> Profile:
        return with_student(**{name: getattr(FULL.student, name) for name in names})

    before, after = measure_completeness(filled(known)), measure_completeness(filled(known | {added}))
    assert 0 <= before.score <= after.score <= FULL_SCORE
    assert before.score == sum(each.earned for each in before.parts)

"""The measure of reading résumés: its floors, its page, and its own arithmetic."""

from itertools import combinations

import phonenumbers
import pytest

from services.user.domain.resumes import ParsedResume, ReadValue
from verify.resumes.measure import PAGE, MeasuredFields, measure_resumes, read_table, render_table
from verify.resumes.people import SamplePerson, make_person
from verify.resumes.sample_set import generate_resumes
from verify.resumes.scores import FieldScore, score_resumes
from verify.resumes.styles import STYLES

CONTACT_FLOOR = 0.95
TUNED_FLOORS = {
    **dict.fromkeys(("name", "email", "phone", "links", "location"), CONTACT_FLOOR),
    **dict.fromkeys(("education", "experience", "skills", "languages", "summary"), 0.97),
}
HELD_OUT_FLOORS = {
    **dict.fromkeys(("name", "email", "phone", "links", "location"), CONTACT_FLOOR),
    **dict.fromkeys(("education", "experience", "skills", "languages", "summary"), 0.95),
}


@pytest.fixture(scope="module")
def measured() -> MeasuredFields:
    return measure_resumes()


@pytest.mark.parametrize(("field", "floor"), TUNED_FLOORS.items())
def test_layouts_that_the_rules_know_are_read(field: str, floor: float, measured: MeasuredFields) -> None:
    score = measured.tuned[field]

    assert min(score.precision, score.recall) >= floor, score.mistakes


@pytest.mark.parametrize(("field", "floor"), HELD_OUT_FLOORS.items())
def test_layouts_that_were_held_out_are_read(field: str, floor: float, measured: MeasuredFields) -> None:
    score = measured.held_out[field]

    assert min(score.precision, score.recall) >= floor, score.mistakes


def test_the_page_shows_what_was_measured(measured: MeasuredFields) -> None:
    assert read_table(PAGE) == render_table(measured), "run: python -m verify.resumes --write"


def test_the_set_is_large_and_a_third_of_it_is_held_out() -> None:
    held_out = [style for style in STYLES if style.is_held_out]

    assert len(STYLES) >= 30
    assert len(held_out) * 3 == len(STYLES)
    assert len({style.name for style in STYLES}) == len(STYLES)


def test_no_two_layouts_look_the_same() -> None:
    looks = [repr(style).replace(style.name, "") for style in STYLES]

    assert len(set(looks)) == len(looks)


def test_held_out_resumes_are_of_other_people() -> None:
    samples = generate_resumes()
    tuned = [each.truth for each in samples if not each.style.is_held_out]
    held_out = [each.truth for each in samples if each.style.is_held_out]

    assert not {each.name for each in tuned} & {each.name for each in held_out}
    assert not employers(tuned) & employers(held_out)


def employers(people: list[SamplePerson]) -> set[str]:
    return {job.organisation for person in people for job in person.experience}


def test_all_phone_numbers_of_the_set_can_be_dialled() -> None:
    for sample in generate_resumes():
        number = phonenumbers.parse(sample.truth.phone.e164)
        assert phonenumbers.is_valid_number(number), sample.truth.phone


def test_the_same_files_are_generated_each_time() -> None:
    for one, other in combinations([make_person(3, "de", is_held_out=False) for _ in range(3)], 2):
        assert one == other


def test_a_value_counts_as_right_wrong_or_missed() -> None:
    score = FieldScore()
    for read, true in [("Sam", "Sam"), ("SAM", "sam"), ("Tom", "Sam"), ("", "Sam"), ("Sam", ""), ("", "")]:
        score.compare(read, true)

    assert (score.right, score.wrong, score.missed) == (2, 2, 2)
    assert (score.precision, score.recall) == (0.5, 0.5)


def test_an_empty_draft_misses_everything_and_a_true_one_nothing() -> None:
    person = make_person(1, "en", is_held_out=False)
    true = ParsedResume(
        name=ReadValue(person.name, 1.0, ""),
        education=tuple(ReadValue(each, 1.0, "") for each in reversed(person.education)),
        experience=tuple(ReadValue(each, 1.0, "") for each in person.experience[1:]),
    )

    empty_scores, true_scores = (score_resumes([("", read, person)]) for read in (ParsedResume(), true))

    assert empty_scores["name"].recall == empty_scores["education"].recall == 0
    assert {true_scores[name].recall for name in ("name", "education", "education: score")} == {1}
    assert true_scores["experience"].missed == 1
    assert true_scores["experience"].wrong == 0

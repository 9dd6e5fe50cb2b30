"""Applying: the open window, the answers, and the frozen parts."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chassis.errors import DomainError
from services.application.domain.model import ApplicationState, QuestionAnswer
from services.application.domain.submission import (
    check_answers,
    submit_application,
    texts_of,
    with_blind_view,
)
from tests.unit.application.samples import FROZEN_PROFILE, NOW, POLICY, QUESTIONS, listing, student

WHY = QuestionAnswer(question_id="why", text="Because.")


def refusal(**facts: object) -> DomainError:
    with pytest.raises(DomainError) as raised:
        submit_application("app_one", listing(**facts), student(), NOW, POLICY)
    return raised.value


def violations(*answers: QuestionAnswer) -> list[str]:
    with pytest.raises(DomainError) as raised:
        check_answers(QUESTIONS, answers)
    assert raised.value.reason == "ANSWERS_INCOMPLETE"
    return [violation.field for violation in raised.value.violations]


def test_an_application_freezes_listing_profile_and_answers() -> None:
    offer = listing(questions=QUESTIONS)
    application = submit_application(
        "app_one", offer, student(), NOW, POLICY, answers=[WHY], cover_letter="Dear all"
    )
    assert application.state is ApplicationState.SUBMITTED
    assert (application.internship_version, application.internship_title) == (3, "Backend intern")
    assert (application.applicant.profile, application.answers) == (FROZEN_PROFILE, (WHY,))
    assert application.respond_by == NOW + timedelta(days=21)
    assert application.due_time == application.respond_by + POLICY.response_grace


def test_a_blind_review_freezes_what_the_company_sees_beside_what_was_written() -> None:
    days = QuestionAnswer(question_id="days", choices=("mon",))
    sent = submit_application(
        "app_one",
        listing(questions=QUESTIONS, blind_review=True),
        student(),
        NOW,
        POLICY,
        answers=[WHY, days],
        cover_letter="Dear all, Ada",
    )
    assert texts_of(sent) == ["Dear all, Ada", "Because.", ""]
    blind = with_blind_view(sent, student(blind_texts=("Dear all, …", "…", "")))
    assert (blind.cover_letter, blind.blind_cover_letter) == ("Dear all, Ada", "Dear all, …")
    assert blind.answers == (WHY, days)
    assert blind.blind_answers == (replace(WHY, text="…"), days)


def test_a_listing_without_a_promise_gets_thirty_days() -> None:
    application = submit_application("app_one", listing(respond_within=None), student(), NOW, POLICY)
    assert application.respond_by == NOW + timedelta(days=30)


@pytest.mark.parametrize(
    "facts",
    [
        {"state": "PAUSED", "takes_applications": False},
        {"apply_open_time": NOW + timedelta(milliseconds=1)},
        {"apply_deadline": NOW},
    ],
)
def test_nobody_applies_outside_of_the_open_window(facts: dict[str, object]) -> None:
    assert refusal(**facts).reason == "INTERNSHIP_NOT_OPEN"


@pytest.mark.parametrize("state", ["DRAFT", "PENDING_REVIEW", "CHANGES_REQUESTED"])
def test_a_listing_that_was_never_published_does_not_exist_for_students(state: str) -> None:
    assert refusal(state=state, takes_applications=False).reason == "INTERNSHIP_NOT_FOUND"


def test_a_student_does_not_apply_by_mistake_to_a_company_that_they_blocked() -> None:
    with pytest.raises(DomainError) as raised:
        submit_application(
            "app_one", listing(), student(blocked_company_ids=frozenset({"cmp_acme"})), NOW, POLICY
        )
    assert raised.value.reason == "PERMISSION_DENIED"


def test_a_required_question_without_an_answer_is_named() -> None:
    assert violations() == ["answers"]
    assert violations(QuestionAnswer(question_id="why", text="  ")) == ["answers"]


@pytest.mark.parametrize(
    ("answer", "field"),
    [
        (QuestionAnswer(question_id="age", text="20"), "answers[1].questionId"),
        (QuestionAnswer(question_id="why", text="Twice."), "answers[1].questionId"),
        (QuestionAnswer(question_id="visa", text="maybe"), "answers[1].text"),
        (QuestionAnswer(question_id="visa", choices=("yes",)), "answers[1].choices"),
        (QuestionAnswer(question_id="team", text="web"), "answers[1].text"),
        (QuestionAnswer(question_id="team", choices=("hr",)), "answers[1].choices"),
        (QuestionAnswer(question_id="team", choices=("web", "data")), "answers[1].choices"),
        (QuestionAnswer(question_id="days", choices=("mon", "mon")), "answers[1].choices"),
    ],
)
def test_an_answer_that_does_not_fit_its_question_is_named_by_its_place(
    answer: QuestionAnswer, field: str
) -> None:
    assert violations(WHY, answer) == [field]


def test_fitting_answers_are_kept_and_empty_ones_dropped() -> None:
    given = (
        WHY,
        QuestionAnswer(question_id="visa", text="no"),
        QuestionAnswer(question_id="team", choices=("web",)),
        QuestionAnswer(question_id="days"),
    )
    assert check_answers(QUESTIONS, given) == given[:3]

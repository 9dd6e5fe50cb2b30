"""What the student is shown, and above all what not."""

from datetime import datetime, timedelta

import pytest

from chassis.errors import DomainError
from services.application.domain import moves
from services.application.domain.model import Application, ApplicationState, StudentStatus
from services.application.domain.student_view import student_view
from tests.unit.application.samples import NOW, POLICY, STUDENT, in_state, moved, submitted

DELAY = POLICY.rejection_delay
SOON = NOW + timedelta(minutes=5)
TOLD = NOW + DELAY


def statuses(application: Application, now: datetime = NOW) -> list[StudentStatus]:
    return [change.status for change in student_view(application, now).changes]


def test_internal_states_are_one_status_to_the_student() -> None:
    application = moved(
        submitted(),
        ApplicationState.IN_REVIEW,
        ApplicationState.SHORTLISTED,
        ApplicationState.WAITLISTED,
        ApplicationState.INTERVIEW,
    )
    assert statuses(application) == [StudentStatus.RECEIVED, StudentStatus.IN_REVIEW, StudentStatus.INTERVIEW]


def test_a_rejection_reaches_the_student_when_its_delay_is_over() -> None:
    rejected = moved(in_state(ApplicationState.INTERVIEW), ApplicationState.REJECTED)
    assert student_view(rejected, TOLD - timedelta(milliseconds=1)).status is StudentStatus.INTERVIEW
    told = student_view(rejected, TOLD)
    assert (told.status, told.update_time) == (StudentStatus.NOT_SELECTED, TOLD)


def test_what_a_clock_ahead_of_ours_entered_is_shown_at_once() -> None:
    earlier = NOW - timedelta(minutes=5)
    assert statuses(submitted(), earlier) == [StudentStatus.RECEIVED]
    rejected = moved(in_state(ApplicationState.INTERVIEW), ApplicationState.REJECTED)
    assert student_view(rejected, earlier).status is StudentStatus.INTERVIEW


def test_a_rejection_undone_in_its_delay_leaves_no_trace() -> None:
    interview = in_state(ApplicationState.INTERVIEW)
    undone = moved(moved(interview, ApplicationState.REJECTED), ApplicationState.INTERVIEW, now=SOON)
    for moment in (SOON, TOLD, TOLD + timedelta(days=1)):
        assert student_view(undone, moment) == student_view(interview, moment)
    assert undone.respond_by == interview.respond_by


def test_a_rejection_undone_after_its_delay_stays_in_the_students_history() -> None:
    undone = moved(
        moved(in_state(ApplicationState.INTERVIEW), ApplicationState.REJECTED),
        ApplicationState.INTERVIEW,
        now=TOLD,
    )
    assert statuses(undone, TOLD)[-3:] == [
        StudentStatus.INTERVIEW,
        StudentStatus.NOT_SELECTED,
        StudentStatus.INTERVIEW,
    ]


def test_a_student_who_does_not_know_of_the_rejection_can_withdraw_and_never_learns_of_it() -> None:
    rejected = moved(in_state(ApplicationState.INTERVIEW), ApplicationState.REJECTED)
    withdrawn = moves.withdraw_application(rejected, STUDENT, SOON, POLICY)
    assert StudentStatus.NOT_SELECTED not in statuses(withdrawn, TOLD)
    assert statuses(withdrawn, SOON)[-1] is StudentStatus.WITHDRAWN


def test_a_disclosed_rejection_cannot_be_withdrawn() -> None:
    rejected = moved(in_state(ApplicationState.INTERVIEW), ApplicationState.REJECTED)
    with pytest.raises(DomainError) as refusal:
        moves.withdraw_application(rejected, STUDENT, TOLD, POLICY)
    assert refusal.value.metadata == {
        "state": "STUDENT_STATUS_NOT_SELECTED",
        "target": "STUDENT_STATUS_WITHDRAWN",
    }
    assert refusal.value.allowed_transitions == ()


def test_a_refusal_does_not_reveal_a_hidden_rejection_to_the_student() -> None:
    refusals = []
    interview = in_state(ApplicationState.INTERVIEW)
    for application in (interview, moved(interview, ApplicationState.REJECTED)):
        with pytest.raises(DomainError) as refusal:
            moves.start_acceptance(application, STUDENT, SOON, POLICY)
        refusals.append((refusal.value.message, refusal.value.metadata, refusal.value.allowed_transitions))
    assert refusals[0] == refusals[1]


def test_a_rescinded_offer_is_shown_at_once() -> None:
    rescinded = moved(in_state(ApplicationState.OFFERED), ApplicationState.REJECTED)
    assert student_view(rescinded, NOW).status is StudentStatus.NOT_SELECTED
    assert rescinded.disclosed


def test_a_rejection_is_disclosed_once() -> None:
    rejected = moved(in_state(ApplicationState.INTERVIEW), ApplicationState.REJECTED)
    assert moves.settle_due_application(rejected, SOON, POLICY) is None
    disclosed = moves.settle_due_application(rejected, TOLD, POLICY)
    assert disclosed is not None
    assert disclosed.disclosed
    assert moves.settle_due_application(disclosed, TOLD + timedelta(days=1), POLICY) is None

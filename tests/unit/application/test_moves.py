"""The state machine, held against the domain's table as it is written for people."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chassis.errors import AllowedTransition, DomainError
from services.application.domain import moves
from services.application.domain.model import SYSTEM_ACTOR, ApplicationActor, ApplicationState, ClosedReason
from services.application.domain.transitions import APPLICATION_TRANSITIONS, MAX_MOVES, allowed_targets
from tests.unit.application.samples import (
    NOW,
    OWNER,
    POLICY,
    RECRUITER,
    STUDENT,
    VIEWER,
    in_state,
    moved,
    submitted,
)

LATER = NOW + timedelta(hours=1)

COMPANY_MAY = {
    "SUBMITTED": "IN_REVIEW SHORTLISTED REJECTED",
    "IN_REVIEW": "SHORTLISTED ASSESSMENT INTERVIEW WAITLISTED REJECTED",
    "SHORTLISTED": "ASSESSMENT INTERVIEW WAITLISTED OFFERED REJECTED IN_REVIEW",
    "ASSESSMENT": "SHORTLISTED INTERVIEW WAITLISTED OFFERED REJECTED",
    "INTERVIEW": "ASSESSMENT SHORTLISTED WAITLISTED OFFERED REJECTED",
    "WAITLISTED": "INTERVIEW OFFERED REJECTED",
    "OFFERED": "REJECTED WAITLISTED",
    "HIRED": "OFFERED",
    "REJECTED": "IN_REVIEW",  # where the sample came from
    "WITHDRAWN": "",
    "CLOSED": "INTERVIEW",  # where the sample came from
}
UNDER_WAY = ("SUBMITTED", "IN_REVIEW", "SHORTLISTED", "ASSESSMENT", "INTERVIEW", "WAITLISTED")
STUDENT_MAY = {
    **dict.fromkeys(UNDER_WAY, "WITHDRAWN"),
    "OFFERED": "HIRED WITHDRAWN",
    "HIRED": "WITHDRAWN",
    "REJECTED": "",
    "WITHDRAWN": "",
    "CLOSED": "",
}
SYSTEM_MAY = {
    **dict.fromkeys(UNDER_WAY, "CLOSED"),
    "OFFERED": "CLOSED",
    "HIRED": "",
    "REJECTED": "",
    "WITHDRAWN": "",
    "CLOSED": "",
}


def named(value: ApplicationActor | str) -> str:
    return value if isinstance(value, str) else value.kind


TABLE = [
    (actor, state, targets)
    for actor, rows in ((OWNER, COMPANY_MAY), (STUDENT, STUDENT_MAY), (SYSTEM_ACTOR, SYSTEM_MAY))
    for state, targets in rows.items()
]


@pytest.mark.parametrize(("actor", "state", "targets"), TABLE, ids=named)
def test_each_actor_may_go_exactly_where_the_table_says(
    actor: ApplicationActor, state: str, targets: str
) -> None:
    application = in_state(ApplicationState(state))
    assert set(allowed_targets(application, actor, LATER)) == {
        ApplicationState(target) for target in targets.split()
    }


@pytest.mark.parametrize(("actor", "state", "targets"), TABLE, ids=named)
def test_every_other_target_is_refused_as_illegal(actor: ApplicationActor, state: str, targets: str) -> None:
    application = in_state(ApplicationState(state))
    for target in ApplicationState:
        if target in targets.split():
            continue
        with pytest.raises(DomainError) as refusal:
            moves.move_application(application, target, actor, LATER, POLICY)
        assert refusal.value.reason == "ILLEGAL_TRANSITION"


def test_the_table_knows_every_state() -> None:
    assert {rule.source for rule in APPLICATION_TRANSITIONS} | {ApplicationState.WITHDRAWN} == set(
        ApplicationState
    )


def test_an_illegal_move_of_the_company_names_the_allowed_targets() -> None:
    with pytest.raises(DomainError) as refusal:
        moves.move_application(submitted(), ApplicationState.OFFERED, RECRUITER, NOW, POLICY)
    assert refusal.value.metadata == {
        "state": "APPLICATION_STATE_SUBMITTED",
        "target": "APPLICATION_STATE_OFFERED",
    }
    assert refusal.value.allowed_transitions == tuple(
        AllowedTransition(f"APPLICATION_STATE_{state}", "MoveApplication")
        for state in ("IN_REVIEW", "SHORTLISTED", "REJECTED")
    )


def test_a_student_is_offered_the_calls_that_a_student_has() -> None:
    with pytest.raises(DomainError) as refusal:
        moves.start_acceptance(submitted(), STUDENT, NOW, POLICY)
    assert refusal.value.allowed_transitions == (
        AllowedTransition("STUDENT_STATUS_WITHDRAWN", "WithdrawApplication"),
    )


def test_a_viewer_moves_nothing() -> None:
    assert all(
        allowed_targets(in_state(state), VIEWER, NOW) == ()
        for state in ApplicationState
        if state is not ApplicationState.DRAFT
    )


def test_a_viewers_look_leaves_the_application_submitted() -> None:
    assert moves.start_review(submitted(), VIEWER, NOW, POLICY) is None


def test_the_companys_first_look_moves_to_in_review_and_is_its_first_response() -> None:
    looked_at = moves.start_review(submitted(), RECRUITER, LATER, POLICY)
    assert looked_at is not None
    assert (looked_at.state, looked_at.first_response_time) == (ApplicationState.IN_REVIEW, LATER)
    assert moves.start_review(looked_at, RECRUITER, LATER, POLICY) is None


def test_only_the_owner_unhires_and_only_within_14_days() -> None:
    hired = in_state(ApplicationState.HIRED)
    assert allowed_targets(hired, RECRUITER, LATER) == ()
    assert allowed_targets(hired, OWNER, NOW + timedelta(days=14, seconds=-1)) == (ApplicationState.OFFERED,)
    assert allowed_targets(hired, OWNER, NOW + timedelta(days=14)) == ()


def test_a_refused_unhire_says_what_it_takes() -> None:
    with pytest.raises(DomainError, match="Only the company's owner may, within 14 days"):
        moves.move_application(
            in_state(ApplicationState.HIRED), ApplicationState.OFFERED, RECRUITER, LATER, POLICY
        )


@pytest.mark.parametrize("before", ["SUBMITTED", "SHORTLISTED", "INTERVIEW", "OFFERED"])
def test_unreject_leads_to_the_state_before_within_90_days(before: str) -> None:
    rejected = moved(in_state(ApplicationState(before)), ApplicationState.REJECTED)
    assert allowed_targets(rejected, RECRUITER, NOW + timedelta(days=90, seconds=-1)) == (
        ApplicationState(before),
    )
    assert allowed_targets(rejected, RECRUITER, NOW + timedelta(days=90)) == ()


def test_reopen_leads_a_closed_one_to_the_state_before_and_forgets_why_it_was_closed() -> None:
    closed = in_state(ApplicationState.CLOSED)
    reopened = moved(closed, ApplicationState.INTERVIEW)
    assert (closed.closed_reason, reopened.closed_reason) == (ClosedReason.LISTING_ARCHIVED, None)


def test_back_at_the_start_the_response_deadline_restarts() -> None:
    waiting = submitted()
    late = waiting.respond_by + POLICY.response_grace
    closed = moves.settle_due_application(waiting, late, POLICY)
    assert closed is not None
    assert closed.closed_reason is ClosedReason.NO_RESPONSE
    reopened = moved(closed, ApplicationState.SUBMITTED, now=late)
    assert reopened.respond_by == late + timedelta(days=21)
    assert moves.settle_due_application(reopened, late + timedelta(seconds=1), POLICY) is None


@pytest.mark.parametrize(
    "state", ["SUBMITTED", "IN_REVIEW", "SHORTLISTED", "ASSESSMENT", "INTERVIEW", "WAITLISTED"]
)
def test_an_application_without_an_answer_ends_in_each_state_in_which_the_student_waits(state: str) -> None:
    waiting = in_state(ApplicationState(state))
    late = waiting.respond_by + POLICY.response_grace
    assert waiting.due_time == late
    closed = moves.settle_due_application(waiting, late, POLICY)
    assert closed is not None
    assert (closed.state, closed.closed_reason) == (ApplicationState.CLOSED, ClosedReason.NO_RESPONSE)


def test_the_promise_is_as_long_after_the_second_answer_as_after_the_first() -> None:
    first, second = NOW + timedelta(days=20), NOW + timedelta(days=40)
    assessed = moved(submitted(), ApplicationState.IN_REVIEW, ApplicationState.ASSESSMENT, now=first)
    assert assessed.respond_by == first + timedelta(days=21)
    assert moved(assessed, ApplicationState.INTERVIEW, now=second).respond_by == second + timedelta(days=21)


def test_a_move_that_the_student_does_not_see_leaves_the_response_deadline() -> None:
    waiting = submitted()
    shortlisted = moved(
        waiting, ApplicationState.IN_REVIEW, ApplicationState.SHORTLISTED, now=NOW + timedelta(days=20)
    )
    assert shortlisted.respond_by == waiting.respond_by


def test_a_promise_that_was_not_kept_with_the_application_follows_from_its_response_deadline() -> None:
    older = replace(submitted(), respond_within=None)
    at = NOW + timedelta(days=20)
    assessed = moved(older, ApplicationState.IN_REVIEW, ApplicationState.ASSESSMENT, now=at)
    assert assessed.respond_by == at + timedelta(days=21)


def test_an_offer_stands_for_14_days_unless_the_company_says_otherwise() -> None:
    ready = in_state(ApplicationState.SHORTLISTED)
    assert moved(ready, ApplicationState.OFFERED).offer_expire_time == NOW + timedelta(days=14)
    expiry = NOW + timedelta(days=3)
    offered = moves.move_application(
        ready, ApplicationState.OFFERED, RECRUITER, NOW, POLICY, offer_expire_time=expiry
    )
    assert offered.offer_expire_time == expiry


def test_an_offer_that_expires_in_the_past_is_refused_by_its_field() -> None:
    with pytest.raises(DomainError) as refusal:
        moves.move_application(
            in_state(ApplicationState.SHORTLISTED),
            ApplicationState.OFFERED,
            RECRUITER,
            NOW,
            POLICY,
            offer_expire_time=NOW,
        )
    assert [violation.field for violation in refusal.value.violations] == ["offerExpireTime"]


def test_an_expiry_without_an_offer_is_refused_by_its_field() -> None:
    with pytest.raises(DomainError) as refusal:
        moves.move_application(
            submitted(), ApplicationState.IN_REVIEW, RECRUITER, NOW, POLICY, offer_expire_time=LATER
        )
    assert [violation.field for violation in refusal.value.violations] == ["offerExpireTime"]


def test_an_expired_offer_is_neither_accepted_nor_left_open() -> None:
    offered = in_state(ApplicationState.OFFERED)
    expiry = NOW + timedelta(days=14)
    assert allowed_targets(offered, STUDENT, expiry) == (ApplicationState.WITHDRAWN,)
    closed = moves.settle_due_application(offered, expiry, POLICY)
    assert closed is not None
    assert (closed.state, closed.closed_reason) == (ApplicationState.CLOSED, ClosedReason.OFFER_EXPIRED)
    assert closed.offer_expire_time is None


def test_nobody_moves_an_application_whose_offer_is_being_accepted() -> None:
    accepting = moves.start_acceptance(in_state(ApplicationState.OFFERED), STUDENT, NOW, POLICY)
    for actor, target in (
        (OWNER, ApplicationState.REJECTED),
        (STUDENT, ApplicationState.WITHDRAWN),
        (SYSTEM_ACTOR, ApplicationState.CLOSED),
    ):
        with pytest.raises(DomainError) as refusal:
            moves.move_application(accepting, target, actor, NOW, POLICY)
        assert refusal.value.reason == "UNEXPECTED_STATE"
    assert moves.settle_due_application(accepting, NOW + timedelta(days=30), POLICY) is None


def test_an_accept_that_began_in_time_is_completed_after_the_offer_would_have_expired() -> None:
    accepting = moves.start_acceptance(in_state(ApplicationState.OFFERED), STUDENT, NOW, POLICY, "operation")
    hired = moves.complete_acceptance(accepting, NOW + timedelta(days=15), POLICY)
    assert (hired.state, hired.acceptance) == (ApplicationState.HIRED, None)
    assert hired.was_moved_by("operation")


def test_an_undone_acceptance_leaves_the_offer_standing() -> None:
    offered = in_state(ApplicationState.OFFERED)
    undone = moves.undo_acceptance(moves.start_acceptance(offered, STUDENT, NOW, POLICY), LATER, POLICY)
    assert replace(undone, version=offered.version, update_time=offered.update_time) == offered


def test_there_is_nothing_to_decline_without_an_offer() -> None:
    with pytest.raises(DomainError, match="There is no offer to decline"):
        moves.decline_offer(in_state(ApplicationState.INTERVIEW), STUDENT, NOW, POLICY)


def test_an_expectation_that_no_longer_holds_is_named() -> None:
    with pytest.raises(DomainError, match="is INTERVIEW now, not IN_REVIEW") as refusal:
        moves.check_expected_state(in_state(ApplicationState.INTERVIEW), ApplicationState.IN_REVIEW)
    assert refusal.value.reason == "UNEXPECTED_STATE"


def test_the_companys_moves_of_one_application_are_bounded_but_the_student_can_still_leave() -> None:
    application = in_state(ApplicationState.INTERVIEW)
    while len(application.history) < MAX_MOVES:
        back = (
            ApplicationState.ASSESSMENT
            if application.state is ApplicationState.INTERVIEW
            else ApplicationState.INTERVIEW
        )
        application = moved(application, back)
    assert allowed_targets(application, RECRUITER, NOW) == ()
    assert allowed_targets(application, STUDENT, NOW) == (ApplicationState.WITHDRAWN,)

"""The moves: each returns the application after it, or raises the reason why it is not allowed."""

from dataclasses import replace
from datetime import datetime

from chassis.errors import (
    AllowedTransition,
    DomainError,
    Violation,
    domain_error,
    illegal_transition,
    invalid_argument,
)
from services.application.domain.model import (
    AWAITING_ANSWER_STATES,
    STUDENT_STATUS_OF_STATE,
    SYSTEM_ACTOR,
    UNDECIDED_STATES,
    Application,
    ApplicationActor,
    ApplicationActorKind,
    ApplicationPolicy,
    ApplicationState,
    ClosedReason,
    HistoryEntry,
    ListingEnding,
    PendingAcceptance,
    PendingOffer,
    StudentStatus,
)
from services.application.domain.student_view import student_view
from services.application.domain.transitions import (
    allowed_calls,
    allowed_targets,
    condition_for_target,
    is_rejection_undisclosed,
)


def check_expected_state(application: Application, expected: ApplicationState | None) -> None:
    """Raise UNEXPECTED_STATE unless the application is in the state that the actor expects."""
    if expected is not None and application.state is not expected:
        raise domain_error("UNEXPECTED_STATE", f"The application is {application.state} now, not {expected}.")


def move_application(
    application: Application,
    target: ApplicationState,
    actor: ApplicationActor,
    now: datetime,
    policy: ApplicationPolicy,
    *,
    note: str = "",
    offer_expire_time: datetime | None = None,
    operation_id: str = "",
) -> Application:
    """Return the application moved to `target`; an offer stands until `offer_expire_time` or the default.

    Raises ILLEGAL_TRANSITION with the allowed targets, UNEXPECTED_STATE while the student is accepting,
    INVALID_FIELD for an offer's expiry that is past or given without an offer.
    """
    _check_allowed(application, target, actor, now)
    expiry = _offer_expiry(target, offer_expire_time, now, policy)
    return _apply_move(
        application, target, actor, now, policy, note=note, expiry=expiry, operation_id=operation_id
    )


def _apply_move(
    application: Application,
    target: ApplicationState,
    actor: ApplicationActor,
    now: datetime,
    policy: ApplicationPolicy,
    *,
    note: str,
    expiry: datetime | None,
    operation_id: str,
) -> Application:
    entry = HistoryEntry(
        time=now,
        actor=actor.kind,
        actor_id=actor.id,
        source=application.state,
        target=target,
        seen_time=_seen_time(application, target, now, policy),
        note=note,
        operation_id=operation_id,
    )
    moved = replace(
        application,
        state=target,
        history=(*_history_as_disclosed(application, actor, now), entry),
        first_response_time=_first_response_time(application, actor, now),
        respond_by=_response_deadline(application, target, now, policy),
        offer_expire_time=expiry,
        closed_reason=None,
        acceptance=None,
        offering=None,
        disclosed=target is ApplicationState.REJECTED and entry.seen_time == now,
    )
    return _with_next_version(moved, now, policy)


def needs_opening(application: Application, target: ApplicationState) -> bool:
    """Return whether an opening has to be reserved first: for an offer, unless a hire returns to it."""
    return target is ApplicationState.OFFERED and application.state is not ApplicationState.HIRED


def start_offer(
    application: Application,
    actor: ApplicationActor,
    now: datetime,
    policy: ApplicationPolicy,
    *,
    note: str = "",
    offer_expire_time: datetime | None = None,
    operation_id: str = "",
) -> Application:
    """Return the application with a pending offer. Raises as `move_application`."""
    _check_allowed(application, ApplicationState.OFFERED, actor, now)
    mark = PendingOffer(
        start_time=now,
        member_id=actor.id,
        role=actor.role,
        expire_time=_offer_expiry(ApplicationState.OFFERED, offer_expire_time, now, policy) or now,
        note=note,
        operation_id=operation_id,
    )
    return _with_next_version(replace(application, offering=mark), now, policy)


def complete_offer(application: Application, now: datetime, policy: ApplicationPolicy) -> Application:
    """Return the application OFFERED, once an opening is reserved. It must have a pending offer."""
    mark = application.offering
    if mark is None:
        raise domain_error("UNEXPECTED_STATE", "No offer is being made.")
    member = ApplicationActor(kind=ApplicationActorKind.COMPANY, id=mark.member_id, role=mark.role)
    return _apply_move(
        replace(application, offering=None),
        ApplicationState.OFFERED,
        member,
        now,
        policy,
        note=mark.note,
        expiry=mark.expire_time,
        operation_id=mark.operation_id,
    )


def undo_offer(application: Application, now: datetime, policy: ApplicationPolicy) -> Application:
    """Return the application as it was before the offer, since no opening could be reserved."""
    return _with_next_version(replace(application, offering=None), now, policy)


def start_review(
    application: Application, actor: ApplicationActor, now: datetime, policy: ApplicationPolicy
) -> Application | None:
    """Return the application after the company's first view, IN_REVIEW; None when viewing changes nothing.

    A VIEWER's view changes nothing: that role moves no application.
    """
    if (
        application.state is not ApplicationState.SUBMITTED
        or ApplicationState.IN_REVIEW not in allowed_targets(application, actor, now)
    ):
        return None
    return move_application(application, ApplicationState.IN_REVIEW, actor, now, policy)


def withdraw_application(
    application: Application,
    actor: ApplicationActor,
    now: datetime,
    policy: ApplicationPolicy,
    operation_id: str = "",
) -> Application:
    """Return the application withdrawn by the student; it declines a standing offer and gives up a hire.

    Raises ILLEGAL_TRANSITION when it has ended, UNEXPECTED_STATE while the offer is being accepted.
    """
    return move_application(
        application, ApplicationState.WITHDRAWN, actor, now, policy, operation_id=operation_id
    )


def decline_offer(
    application: Application,
    actor: ApplicationActor,
    now: datetime,
    policy: ApplicationPolicy,
    operation_id: str = "",
) -> Application:
    """Return the application with its offer declined. Raises ILLEGAL_TRANSITION if none stands."""
    if application.state is not ApplicationState.OFFERED:
        error = _illegal_move_error(application, ApplicationState.WITHDRAWN, actor, now)
        raise DomainError(
            error.reason,
            "There is no offer to decline.",
            metadata=error.metadata,
            allowed_transitions=error.allowed_transitions,
        )
    return withdraw_application(application, actor, now, policy, operation_id)


def start_acceptance(
    application: Application,
    actor: ApplicationActor,
    now: datetime,
    policy: ApplicationPolicy,
    operation_id: str = "",
) -> Application:
    """Return the application with a pending acceptance, before an opening is taken.

    Raises ILLEGAL_TRANSITION when no offer stands.
    """
    _check_allowed(application, ApplicationState.HIRED, actor, now)
    mark = PendingAcceptance(start_time=now, student_id=actor.id, operation_id=operation_id)
    return _with_next_version(replace(application, acceptance=mark), now, policy)


def complete_acceptance(application: Application, now: datetime, policy: ApplicationPolicy) -> Application:
    """Return the application HIRED, once an opening is taken. It must have a pending acceptance."""
    mark = application.acceptance
    if mark is None:
        raise domain_error("UNEXPECTED_STATE", "The offer is not being accepted.")
    student = ApplicationActor(kind=ApplicationActorKind.STUDENT, id=mark.student_id)
    return move_application(
        application, ApplicationState.HIRED, student, now, policy, operation_id=mark.operation_id
    )


def undo_acceptance(application: Application, now: datetime, policy: ApplicationPolicy) -> Application:
    """Return the application with its offer as before, since no opening could be taken."""
    return _with_next_version(replace(application, acceptance=None), now, policy)


def close_application(
    application: Application, reason: ClosedReason, now: datetime, policy: ApplicationPolicy
) -> Application:
    """Return the application closed by the system.

    Raises ILLEGAL_TRANSITION if it has ended or is decided.
    """
    closed = move_application(application, ApplicationState.CLOSED, SYSTEM_ACTOR, now, policy)
    return replace(closed, closed_reason=reason)


def end_with_listing(
    application: Application, ending: ListingEnding, now: datetime, policy: ApplicationPolicy
) -> Application | None:
    """Return a live application ended with its listing.

    Return None for one that has ended or is decided, that was sent after the listing was reopened, or that a
    person reopened since this end of the listing closed it. Raises UNEXPECTED_STATE while its offer is made
    or accepted.
    """
    if ending.reason is None or application.state not in UNDECIDED_STATES:
        return None
    if application.internship_version > ending.version or application.ended_by >= ending.version:
        return None
    return replace(close_application(application, ending.reason, now, policy), ended_by=ending.version)


def settle_due_application(
    application: Application, now: datetime, policy: ApplicationPolicy
) -> Application | None:
    """Return the application after due changes: an expired offer, a broken promise, a disclosed rejection.

    Return None when nothing is due. A pending acceptance is not settled here, since it needs an opening.
    """
    is_pending = application.acceptance is not None or application.offering is not None
    if is_pending or application.due_time is None or now < application.due_time:
        return None
    if application.state is ApplicationState.OFFERED:
        return close_application(application, ClosedReason.OFFER_EXPIRED, now, policy)
    if application.state is ApplicationState.REJECTED:
        return _with_next_version(replace(application, disclosed=True), now, policy)
    return close_application(application, ClosedReason.NO_RESPONSE, now, policy)


def _check_allowed(
    application: Application, target: ApplicationState, actor: ApplicationActor, now: datetime
) -> None:
    if application.offering is not None:
        raise domain_error(
            "UNEXPECTED_STATE", "The application is being moved at this moment; read it again."
        )
    if application.acceptance is not None and (actor.kind, target) != (
        ApplicationActorKind.STUDENT,
        ApplicationState.HIRED,
    ):
        raise _being_accepted_error()
    if target not in allowed_targets(application, actor, now):
        raise _illegal_move_error(application, target, actor, now)


def _being_accepted_error() -> DomainError:
    return domain_error("UNEXPECTED_STATE", "The offer is being accepted at this moment; read it again.")


def _illegal_move_error(
    application: Application, target: ApplicationState, actor: ApplicationActor, now: datetime
) -> DomainError:
    """Return ILLEGAL_TRANSITION in the caller's terms: statuses for a student, states for a company."""
    if actor.kind is ApplicationActorKind.STUDENT:
        return _illegal_move_error_for_student(application, target, actor, now)
    moves = [AllowedTransition(_state_name(to), call) for to, call in allowed_calls(application, actor, now)]
    condition = condition_for_target(application, actor, target)
    message = f"An application that is {application.state} does not become {target}. {condition}".rstrip()
    return illegal_transition(message, _state_name(application.state), _state_name(target), moves)


def _illegal_move_error_for_student(
    application: Application, target: ApplicationState, actor: ApplicationActor, now: datetime
) -> DomainError:
    shown, wanted = student_view(application, now).status, STUDENT_STATUS_OF_STATE[target]
    moves = [
        AllowedTransition(_status_name(STUDENT_STATUS_OF_STATE[to]), call)
        for to, call in allowed_calls(application, actor, now)
    ]
    message = f"An application that is {shown} does not become {wanted}."
    return illegal_transition(message, _status_name(shown), _status_name(wanted), moves)


def _state_name(state: ApplicationState) -> str:
    return f"APPLICATION_STATE_{state}"


def _status_name(status: StudentStatus) -> str:
    return f"STUDENT_STATUS_{status}"


def _offer_expiry(
    target: ApplicationState, asked: datetime | None, now: datetime, policy: ApplicationPolicy
) -> datetime | None:
    if target is not ApplicationState.OFFERED:
        if asked is not None:
            raise invalid_argument(
                Violation("offerExpireTime", "goes with a move to APPLICATION_STATE_OFFERED only")
            )
        return None
    if asked is not None and asked <= now:
        raise invalid_argument(Violation("offerExpireTime", "must be in the future"))
    return asked or now + policy.offer_lifetime


def _seen_time(
    application: Application, target: ApplicationState, now: datetime, policy: ApplicationPolicy
) -> datetime | None:
    if target is not ApplicationState.REJECTED or application.state is ApplicationState.OFFERED:
        # A rescinded offer is disclosed at once: the student must not rely on it any longer.
        return now
    return now + policy.rejection_delay


def _history_as_disclosed(
    application: Application, actor: ApplicationActor, now: datetime
) -> tuple[HistoryEntry, ...]:
    """Return the history; a rejection that ends before its disclosure is never disclosed."""
    if application.state is not ApplicationState.REJECTED or not is_rejection_undisclosed(
        application, actor, now
    ):
        return application.history
    return (*application.history[:-1], replace(application.last_entry, seen_time=None))


def _first_response_time(application: Application, actor: ApplicationActor, now: datetime) -> datetime | None:
    if application.first_response_time is None and actor.kind is ApplicationActorKind.COMPANY:
        return now
    return application.first_response_time


def _response_deadline(
    application: Application, target: ApplicationState, now: datetime, policy: ApplicationPolicy
) -> datetime:
    """Return the deadline of the promise to answer, which each answer that the student sees starts again.

    A first look at the application is no answer, nor is a move that the student is not shown.
    """
    before, after = STUDENT_STATUS_OF_STATE[application.state], STUDENT_STATUS_OF_STATE[target]
    is_unanswered = before is after or (before, after) == (StudentStatus.RECEIVED, StudentStatus.IN_REVIEW)
    if (
        is_unanswered
        or target not in AWAITING_ANSWER_STATES
        or is_rejection_undisclosed(application, SYSTEM_ACTOR, now)
    ):
        return application.respond_by
    promise = application.respond_within or application.respond_by - application.submit_time
    return max(application.respond_by, now + promise)


def _with_next_version(application: Application, now: datetime, policy: ApplicationPolicy) -> Application:
    changed = replace(application, version=application.version + 1, update_time=now)
    return replace(changed, due_time=due_time(changed, policy))


def due_time(application: Application, policy: ApplicationPolicy) -> datetime | None:
    """Return when the system has to act unless the application is moved before; None for never."""
    pending = application.acceptance or application.offering
    if pending is not None:
        return pending.start_time + policy.acceptance_timeout
    if application.state is ApplicationState.OFFERED:
        return application.offer_expire_time
    if application.state is ApplicationState.REJECTED:
        return None if application.disclosed else application.last_entry.seen_time
    if application.state in AWAITING_ANSWER_STATES:
        return application.respond_by + policy.response_grace
    return None

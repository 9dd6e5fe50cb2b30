"""The moves: each takes an application and gives the one after it, or raises what forbids it."""

from dataclasses import replace
from datetime import datetime

from chassis.errors import DomainError, Move, Violation, failed, illegal_transition, invalid
from services.application.domain.model import (
    AWAITING_ANSWER,
    ENDING,
    SHOWN_AS,
    SYSTEM,
    Acceptance,
    Actor,
    Application,
    ClosedReason,
    Ending,
    Entry,
    Mover,
    Offering,
    Policy,
    State,
    Status,
)
from services.application.domain.rules import allowed, calls_of, condition_of, not_yet_told
from services.application.domain.views import student_view


def expect_state(application: Application, expected: State | None) -> None:
    """Holds a mover to the state that the move rests on; raises UNEXPECTED_STATE."""
    if expected is not None and application.state is not expected:
        raise failed("UNEXPECTED_STATE", f"The application is {application.state} now, not {expected}.")


def move(
    application: Application,
    target: State,
    mover: Mover,
    now: datetime,
    policy: Policy,
    *,
    note: str = "",
    offer_expire_time: datetime | None = None,
    operation_id: str = "",
) -> Application:
    """Moves it to `target`. An offer stands until `offer_expire_time`, or for the policy's span.

    Raises ILLEGAL_TRANSITION with the allowed targets, UNEXPECTED_STATE while the student is accepting,
    INVALID_FIELD for an offer's expiry that is past or given without an offer.
    """
    _check_allowed(application, target, mover, now)
    expiry = _offer_expiry(target, offer_expire_time, now, policy)
    return _moved(
        application, target, mover, now, policy, note=note, expiry=expiry, operation_id=operation_id
    )


def _moved(
    application: Application,
    target: State,
    mover: Mover,
    now: datetime,
    policy: Policy,
    *,
    note: str,
    expiry: datetime | None,
    operation_id: str,
) -> Application:
    entry = Entry(
        time=now,
        actor=mover.actor,
        actor_id=mover.id,
        source=application.state,
        target=target,
        seen_time=_seen_time(application, target, now, policy),
        note=note,
        operation_id=operation_id,
    )
    moved = replace(
        application,
        state=target,
        history=(*_history_told(application, mover, now), entry),
        first_response_time=_first_response(application, mover, now),
        respond_by=_respond_by(application, target, now, policy),
        offer_expire_time=expiry,
        closed_reason=None,
        acceptance=None,
        offering=None,
        disclosed=target is State.REJECTED and entry.seen_time == now,
    )
    return _changed(moved, now, policy)


def needs_opening(application: Application, target: State) -> bool:
    """Whether an opening has to be kept before the move: for an offer, unless a hire goes back to it."""
    return target is State.OFFERED and application.state is not State.HIRED


def start_offer(
    application: Application,
    mover: Mover,
    now: datetime,
    policy: Policy,
    *,
    note: str = "",
    offer_expire_time: datetime | None = None,
    operation_id: str = "",
) -> Application:
    """Marks that the company makes an offer, before an opening is kept for it. Raises as `move`."""
    _check_allowed(application, State.OFFERED, mover, now)
    mark = Offering(
        start_time=now,
        member_id=mover.id,
        role=mover.role,
        expire_time=_offer_expiry(State.OFFERED, offer_expire_time, now, policy) or now,
        note=note,
        operation_id=operation_id,
    )
    return _changed(replace(application, offering=mark), now, policy)


def complete_offer(application: Application, now: datetime, policy: Policy) -> Application:
    """An opening is kept: the offer is made. The application must be being offered one."""
    mark = application.offering
    if mark is None:
        raise failed("UNEXPECTED_STATE", "No offer is being made.")
    member = Mover(actor=Actor.COMPANY, id=mark.member_id, role=mark.role)
    return _moved(
        replace(application, offering=None),
        State.OFFERED,
        member,
        now,
        policy,
        note=mark.note,
        expiry=mark.expire_time,
        operation_id=mark.operation_id,
    )


def undo_offer(application: Application, now: datetime, policy: Policy) -> Application:
    """No opening could be kept: the application is where it was."""
    return _changed(replace(application, offering=None), now, policy)


def look(application: Application, mover: Mover, now: datetime, policy: Policy) -> Application | None:
    """The company opens it: the first look is a move to IN_REVIEW. None when nothing changes by looking.

    A VIEWER's look changes nothing: that role moves no application.
    """
    if application.state is not State.SUBMITTED or State.IN_REVIEW not in allowed(application, mover, now):
        return None
    return move(application, State.IN_REVIEW, mover, now, policy)


def withdraw(
    application: Application, student: Mover, now: datetime, policy: Policy, operation_id: str = ""
) -> Application:
    """The student takes it back; a standing offer is declined by it, a hire given up.

    Raises ILLEGAL_TRANSITION when it has ended, UNEXPECTED_STATE while the offer is being accepted.
    """
    return move(application, State.WITHDRAWN, student, now, policy, operation_id=operation_id)


def decline(
    application: Application, student: Mover, now: datetime, policy: Policy, operation_id: str = ""
) -> Application:
    """The student declines the offer. Raises ILLEGAL_TRANSITION when none stands, else as `withdraw`."""
    if application.state is not State.OFFERED:
        error = _refused(application, State.WITHDRAWN, student, now)
        raise DomainError(
            error.reason, "There is no offer to decline.", metadata=error.metadata, moves=error.moves
        )
    return withdraw(application, student, now, policy, operation_id)


def start_acceptance(
    application: Application, student: Mover, now: datetime, policy: Policy, operation_id: str = ""
) -> Application:
    """Marks that the student accepts the offer, before an opening is taken for it.

    Raises ILLEGAL_TRANSITION when no offer stands.
    """
    _check_allowed(application, State.HIRED, student, now)
    mark = Acceptance(start_time=now, student_id=student.id, operation_id=operation_id)
    return _changed(replace(application, acceptance=mark), now, policy)


def complete_acceptance(application: Application, now: datetime, policy: Policy) -> Application:
    """The opening is taken: the student is hired. The application must be being accepted."""
    mark = application.acceptance
    if mark is None:
        raise failed("UNEXPECTED_STATE", "The offer is not being accepted.")
    student = Mover(actor=Actor.STUDENT, id=mark.student_id)
    return move(application, State.HIRED, student, now, policy, operation_id=mark.operation_id)


def undo_acceptance(application: Application, now: datetime, policy: Policy) -> Application:
    """No opening could be taken: the offer stands as before."""
    return _changed(replace(application, acceptance=None), now, policy)


def close(application: Application, reason: ClosedReason, now: datetime, policy: Policy) -> Application:
    """The system ends it. Raises ILLEGAL_TRANSITION when it has ended or is decided."""
    closed = move(application, State.CLOSED, SYSTEM, now, policy)
    return replace(closed, closed_reason=reason)


def end_with_listing(
    application: Application, ending: Ending, now: datetime, policy: Policy
) -> Application | None:
    """The listing has ended, and what is alive ends with it.

    None for one that has ended or is decided, that was sent after the listing was open again, or that a
    person reopened since this ending closed it. Raises UNEXPECTED_STATE while its offer is made or accepted.
    """
    if ending.reason is None or application.state not in ENDING:
        return None
    if application.internship_version > ending.version or application.ended_by >= ending.version:
        return None
    return replace(close(application, ending.reason, now, policy), ended_by=ending.version)


def settle_due(application: Application, now: datetime, policy: Policy) -> Application | None:
    """What time has brought: an expired offer, an unkept promise to answer, a rejection to be told.

    None when nothing is due; an acceptance that hangs is not settled here, since it needs an opening.
    """
    is_pending = application.acceptance is not None or application.offering is not None
    if is_pending or application.due_time is None or now < application.due_time:
        return None
    if application.state is State.OFFERED:
        return close(application, ClosedReason.OFFER_EXPIRED, now, policy)
    if application.state is State.REJECTED:
        return _changed(replace(application, disclosed=True), now, policy)
    return close(application, ClosedReason.NO_RESPONSE, now, policy)


def _check_allowed(application: Application, target: State, mover: Mover, now: datetime) -> None:
    if application.offering is not None:
        raise failed("UNEXPECTED_STATE", "The application is being moved at this moment; read it again.")
    if application.acceptance is not None and (mover.actor, target) != (Actor.STUDENT, State.HIRED):
        raise _being_accepted()
    if target not in allowed(application, mover, now):
        raise _refused(application, target, mover, now)


def _being_accepted() -> DomainError:
    return failed("UNEXPECTED_STATE", "The offer is being accepted at this moment; read it again.")


def _refused(application: Application, target: State, mover: Mover, now: datetime) -> DomainError:
    """ILLEGAL_TRANSITION in the terms of whoever asked: a student is told in statuses, never in states."""
    if mover.actor is Actor.STUDENT:
        return _refused_to_student(application, target, mover, now)
    moves = [Move(_state(to), call) for to, call in calls_of(application, mover, now)]
    condition = condition_of(application, mover, target)
    message = f"An application that is {application.state} does not become {target}. {condition}".rstrip()
    return illegal_transition(message, _state(application.state), _state(target), moves)


def _refused_to_student(
    application: Application, target: State, student: Mover, now: datetime
) -> DomainError:
    shown, wanted = student_view(application, now).status, SHOWN_AS[target]
    moves = [Move(_status(SHOWN_AS[to]), call) for to, call in calls_of(application, student, now)]
    message = f"An application that is {shown} does not become {wanted}."
    return illegal_transition(message, _status(shown), _status(wanted), moves)


def _state(state: State) -> str:
    return f"APPLICATION_STATE_{state}"


def _status(status: Status) -> str:
    return f"STUDENT_STATUS_{status}"


def _offer_expiry(target: State, asked: datetime | None, now: datetime, policy: Policy) -> datetime | None:
    if target is not State.OFFERED:
        if asked is not None:
            raise invalid(Violation("offerExpireTime", "goes with a move to APPLICATION_STATE_OFFERED only"))
        return None
    if asked is not None and asked <= now:
        raise invalid(Violation("offerExpireTime", "must be in the future"))
    return asked or now + policy.offer_stands


def _seen_time(application: Application, target: State, now: datetime, policy: Policy) -> datetime | None:
    if target is not State.REJECTED or application.state is State.OFFERED:
        # A rescinded offer is told at once: the student must not go on building on it.
        return now
    return now + policy.rejection_delay


def _history_told(application: Application, mover: Mover, now: datetime) -> tuple[Entry, ...]:
    """The history; a rejection that ends before the student was told is never told."""
    if application.state is not State.REJECTED or not not_yet_told(application, mover, now):
        return application.history
    return (*application.history[:-1], replace(application.last, seen_time=None))


def _first_response(application: Application, mover: Mover, now: datetime) -> datetime | None:
    if application.first_response_time is None and mover.actor is Actor.COMPANY:
        return now
    return application.first_response_time


def _respond_by(application: Application, target: State, now: datetime, policy: Policy) -> datetime:
    """Back at the start of the pipeline, by unreject or reopen, the promise starts anew if it has passed."""
    returning = application.state in (State.REJECTED, State.CLOSED) and target in AWAITING_ANSWER
    if not returning or application.respond_by > now or not_yet_told(application, SYSTEM, now):
        return application.respond_by
    return now + (application.respond_by - application.submit_time)


def _changed(application: Application, now: datetime, policy: Policy) -> Application:
    changed = replace(application, version=application.version + 1, update_time=now)
    return replace(changed, due_time=due_time(changed, policy))


def due_time(application: Application, policy: Policy) -> datetime | None:
    """When the system has to act if nobody moves it before."""
    pending = application.acceptance or application.offering
    if pending is not None:
        return pending.start_time + policy.acceptance_patience
    if application.state is State.OFFERED:
        return application.offer_expire_time
    if application.state is State.REJECTED:
        return None if application.disclosed else application.last.seen_time
    if application.state in AWAITING_ANSWER:
        return application.respond_by + policy.response_grace
    return None

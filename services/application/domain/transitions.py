"""The transitions of applications: who may move one from which state to which, in one table."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.application.domain.model import (
    Application,
    ApplicationActor,
    ApplicationActorKind,
    ApplicationState,
)

UNHIRE_WINDOW = timedelta(days=14)
UNREJECT_WINDOW = timedelta(days=90)
MAX_MOVES = 200
"""The maximum of a company's moves of one application, which bounds its history."""

OWNER_ROLE = "OWNER"
MOVING_ROLES = frozenset({OWNER_ROLE, "RECRUITER", "HIRING_MANAGER"})
"""The company's roles that move applications; a VIEWER only reads."""

TransitionGuard = Callable[[Application, ApplicationActor, datetime], bool]


def is_always_allowed(_application: Application, _actor: ApplicationActor, _now: datetime) -> bool:
    """Return True: no condition beyond the table's row."""
    return True


def is_owner_and_hired_recently(application: Application, actor: ApplicationActor, now: datetime) -> bool:
    """Return whether a hire can be taken back: by the owner, and for two weeks."""
    return actor.role == OWNER_ROLE and now < application.last_entry.time + UNHIRE_WINDOW


def was_rejected_recently(application: Application, _actor: ApplicationActor, now: datetime) -> bool:
    """Return whether a rejection can be taken back: while the applicant may still be looking."""
    return now < application.last_entry.time + UNREJECT_WINDOW


def is_rejection_undisclosed(application: Application, _actor: ApplicationActor, now: datetime) -> bool:
    """Return whether the rejection's delay still runs: the student sees the former state until then."""
    seen_time = application.last_entry.seen_time
    return seen_time is not None and now < seen_time


def is_offer_valid(application: Application, _actor: ApplicationActor, now: datetime) -> bool:
    """Return whether the offer has not expired, or was being accepted before it did."""
    expiry = application.offer_expire_time
    return application.acceptance is not None or (expiry is not None and now < expiry)


@dataclass(frozen=True, slots=True)
class ApplicationTransition:
    """One row: `actor` may move from `source` to `target` (None: the previous state) if `guard` agrees."""

    verb: str
    actor: ApplicationActorKind
    source: ApplicationState
    target: ApplicationState | None
    guard: TransitionGuard = is_always_allowed
    condition: str = ""

    def target_of(self, application: Application) -> ApplicationState:
        """Return the state that this rule moves the application to."""
        return application.previous_state if self.target is None else self.target


_State = ApplicationState

_PIPELINE: Mapping[ApplicationState, tuple[ApplicationState, ...]] = {
    _State.SUBMITTED: (_State.IN_REVIEW, _State.SHORTLISTED, _State.REJECTED),
    _State.IN_REVIEW: (
        _State.SHORTLISTED,
        _State.ASSESSMENT,
        _State.INTERVIEW,
        _State.WAITLISTED,
        _State.REJECTED,
    ),
    _State.SHORTLISTED: (
        *(_State.ASSESSMENT, _State.INTERVIEW, _State.WAITLISTED),
        *(_State.OFFERED, _State.REJECTED, _State.IN_REVIEW),
    ),
    _State.ASSESSMENT: (
        _State.SHORTLISTED,
        _State.INTERVIEW,
        _State.WAITLISTED,
        _State.OFFERED,
        _State.REJECTED,
    ),
    _State.INTERVIEW: (
        _State.ASSESSMENT,
        _State.SHORTLISTED,
        _State.WAITLISTED,
        _State.OFFERED,
        _State.REJECTED,
    ),
    _State.WAITLISTED: (_State.INTERVIEW, _State.OFFERED, _State.REJECTED),
}

APPLICATION_TRANSITIONS: tuple[ApplicationTransition, ...] = (
    ApplicationTransition("submit", ApplicationActorKind.STUDENT, _State.DRAFT, _State.SUBMITTED),
    *(
        ApplicationTransition("move", ApplicationActorKind.COMPANY, source, target)
        for source, targets in _PIPELINE.items()
        for target in targets
    ),
    *(
        ApplicationTransition("withdraw", ApplicationActorKind.STUDENT, source, _State.WITHDRAWN)
        for source in _PIPELINE
    ),
    *(
        ApplicationTransition("close", ApplicationActorKind.SYSTEM, source, _State.CLOSED)
        for source in _PIPELINE
    ),
    ApplicationTransition("rescind", ApplicationActorKind.COMPANY, _State.OFFERED, _State.REJECTED),
    ApplicationTransition("rescind", ApplicationActorKind.COMPANY, _State.OFFERED, _State.WAITLISTED),
    ApplicationTransition(
        "accept",
        ApplicationActorKind.STUDENT,
        _State.OFFERED,
        _State.HIRED,
        is_offer_valid,
        "The offer must not have expired.",
    ),
    ApplicationTransition("decline", ApplicationActorKind.STUDENT, _State.OFFERED, _State.WITHDRAWN),
    ApplicationTransition("close", ApplicationActorKind.SYSTEM, _State.OFFERED, _State.CLOSED),
    ApplicationTransition(
        *("unhire", ApplicationActorKind.COMPANY, _State.HIRED, _State.OFFERED, is_owner_and_hired_recently),
        "Only the company's owner may, within 14 days of the hire.",
    ),
    ApplicationTransition("renege", ApplicationActorKind.STUDENT, _State.HIRED, _State.WITHDRAWN),
    ApplicationTransition(
        *("unreject", ApplicationActorKind.COMPANY, _State.REJECTED, None, was_rejected_recently),
        "Only to the state before, within 90 days of the rejection.",
    ),
    # The student still sees the state before, from which withdrawing is allowed; a refusal would disclose the
    # rejection.
    ApplicationTransition(
        "withdraw", ApplicationActorKind.STUDENT, _State.REJECTED, _State.WITHDRAWN, is_rejection_undisclosed
    ),
    ApplicationTransition(
        "reopen", ApplicationActorKind.COMPANY, _State.CLOSED, None, condition="Only to the state before."
    ),
)


CALL_BY_VERB: Mapping[str, str] = {
    **dict.fromkeys(("move", "rescind", "unhire", "unreject", "reopen"), "MoveApplication"),
    **dict.fromkeys(("withdraw", "renege"), "WithdrawApplication"),
    "accept": "AcceptOffer",
    "decline": "DeclineOffer",
}
"""The RPC that makes the moves of each verb; moves of a verb without one are not offered to callers."""


def _index_by_source(
    rules: Iterable[ApplicationTransition],
) -> dict[tuple[ApplicationActorKind, ApplicationState], tuple[ApplicationTransition, ...]]:
    found: dict[tuple[ApplicationActorKind, ApplicationState], tuple[ApplicationTransition, ...]] = {}
    for rule in rules:
        key = (rule.actor, rule.source)
        found[key] = (*found.get(key, ()), rule)
    return found


_TRANSITIONS_BY_SOURCE = _index_by_source(APPLICATION_TRANSITIONS)


def transitions_for(application: Application, actor: ApplicationActor) -> tuple[ApplicationTransition, ...]:
    """Return the actor's rows for the present state, whether or not their guards agree."""
    if actor.kind is ApplicationActorKind.COMPANY and not _may_company_move(application, actor):
        return ()
    if application.offering is not None or application.is_anonymous:
        return ()
    rules = _TRANSITIONS_BY_SOURCE.get((actor.kind, application.state), ())
    if application.acceptance is not None:
        return tuple(rule for rule in rules if rule.verb == "accept")
    return rules


def _may_company_move(application: Application, actor: ApplicationActor) -> bool:
    return actor.role in MOVING_ROLES and len(application.history) < MAX_MOVES


def allowed_targets(
    application: Application, actor: ApplicationActor, now: datetime
) -> tuple[ApplicationState, ...]:
    """Return the states to which the actor may move the application now, in the pipeline's order."""
    targets = {
        rule.target_of(application)
        for rule in transitions_for(application, actor)
        if rule.guard(application, actor, now)
    }
    return tuple(state for state in ApplicationState if state in targets)


def allowed_calls(
    application: Application, actor: ApplicationActor, now: datetime
) -> tuple[tuple[ApplicationState, str], ...]:
    """Return the states to which the actor may move the application now, each with its RPC."""
    return tuple(
        (rule.target_of(application), CALL_BY_VERB[rule.verb])
        for rule in transitions_for(application, actor)
        if rule.verb in CALL_BY_VERB and rule.guard(application, actor, now)
    )


def condition_for_target(application: Application, actor: ApplicationActor, target: ApplicationState) -> str:
    """Return the condition of the actor's row to that target, in words; "" when there is no such row."""
    rules = transitions_for(application, actor)
    return next((rule.condition for rule in rules if rule.target in (target, None)), "")

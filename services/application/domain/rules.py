"""Who may move an application from where to where: the one table that everything else obeys."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.application.domain.model import Actor, Application, Mover, State

UNHIRE_WITHIN = timedelta(days=14)
UNREJECT_WITHIN = timedelta(days=90)
MOVES_KEPT = 200
"""A company's moves of one application end here, so that its history stays bounded."""

OWNER = "OWNER"
HANDLERS = frozenset({OWNER, "RECRUITER", "HIRING_MANAGER"})
"""The company's roles that move applications; a VIEWER only looks."""

Guard = Callable[[Application, Mover, datetime], bool]


def always(_application: Application, _mover: Mover, _now: datetime) -> bool:
    """No condition beyond the table's row."""
    return True


def hired_lately_and_owner(application: Application, mover: Mover, now: datetime) -> bool:
    """Taking a hire back is the owner's, and for two weeks only."""
    return mover.role == OWNER and now < application.last.time + UNHIRE_WITHIN


def rejected_lately(application: Application, _mover: Mover, now: datetime) -> bool:
    """A rejection can be taken back while the applicant may still be looking."""
    return now < application.last.time + UNREJECT_WITHIN


def not_yet_told(application: Application, _mover: Mover, now: datetime) -> bool:
    """The rejection's delay still runs: for the student the application is where it was."""
    seen_time = application.last.seen_time
    return seen_time is not None and now < seen_time


def offer_stands(application: Application, _mover: Mover, now: datetime) -> bool:
    """The offer has not expired, or was being accepted before it did."""
    expiry = application.offer_expire_time
    return application.acceptance is not None or (expiry is not None and now < expiry)


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: `actor` may move from `source` to `target` (None: to the state before) when `guard` agrees."""

    verb: str
    actor: Actor
    source: State
    target: State | None
    guard: Guard = always
    condition: str = ""

    def leads_to(self, application: Application) -> State:
        """The state that this rule moves the application to."""
        return application.state_before if self.target is None else self.target


_S = State

_PIPELINE: Mapping[State, tuple[State, ...]] = {
    _S.SUBMITTED: (_S.IN_REVIEW, _S.SHORTLISTED, _S.REJECTED),
    _S.IN_REVIEW: (_S.SHORTLISTED, _S.ASSESSMENT, _S.INTERVIEW, _S.WAITLISTED, _S.REJECTED),
    _S.SHORTLISTED: (
        *(_S.ASSESSMENT, _S.INTERVIEW, _S.WAITLISTED),
        *(_S.OFFERED, _S.REJECTED, _S.IN_REVIEW),
    ),
    _S.ASSESSMENT: (_S.SHORTLISTED, _S.INTERVIEW, _S.WAITLISTED, _S.OFFERED, _S.REJECTED),
    _S.INTERVIEW: (_S.ASSESSMENT, _S.SHORTLISTED, _S.WAITLISTED, _S.OFFERED, _S.REJECTED),
    _S.WAITLISTED: (_S.INTERVIEW, _S.OFFERED, _S.REJECTED),
}

RULES: tuple[Rule, ...] = (
    Rule("submit", Actor.STUDENT, _S.DRAFT, _S.SUBMITTED),
    *(
        Rule("move", Actor.COMPANY, source, target)
        for source, targets in _PIPELINE.items()
        for target in targets
    ),
    *(Rule("withdraw", Actor.STUDENT, source, _S.WITHDRAWN) for source in _PIPELINE),
    *(Rule("close", Actor.SYSTEM, source, _S.CLOSED) for source in _PIPELINE),
    Rule("rescind", Actor.COMPANY, _S.OFFERED, _S.REJECTED),
    Rule("rescind", Actor.COMPANY, _S.OFFERED, _S.WAITLISTED),
    Rule("accept", Actor.STUDENT, _S.OFFERED, _S.HIRED, offer_stands, "The offer must not have expired."),
    Rule("decline", Actor.STUDENT, _S.OFFERED, _S.WITHDRAWN),
    Rule("close", Actor.SYSTEM, _S.OFFERED, _S.CLOSED),
    Rule(
        *("unhire", Actor.COMPANY, _S.HIRED, _S.OFFERED, hired_lately_and_owner),
        "Only the company's owner may, within 14 days of the hire.",
    ),
    Rule("renege", Actor.STUDENT, _S.HIRED, _S.WITHDRAWN),
    Rule(
        *("unreject", Actor.COMPANY, _S.REJECTED, None, rejected_lately),
        "Only to the state before, within 90 days of the rejection.",
    ),
    # The student still sees the state before, from which it can be withdrawn; to refuse would tell.
    Rule("withdraw", Actor.STUDENT, _S.REJECTED, _S.WITHDRAWN, not_yet_told),
    Rule("reopen", Actor.COMPANY, _S.CLOSED, None, condition="Only to the state before."),
)


CALLS: Mapping[str, str] = {
    **dict.fromkeys(("move", "rescind", "unhire", "unreject", "reopen"), "MoveApplication"),
    **dict.fromkeys(("withdraw", "renege"), "WithdrawApplication"),
    "accept": "AcceptOffer",
    "decline": "DeclineOffer",
}
"""The call that makes a move of each verb; a verb without one is offered to nobody."""


def _index(rules: Iterable[Rule]) -> dict[tuple[Actor, State], tuple[Rule, ...]]:
    found: dict[tuple[Actor, State], tuple[Rule, ...]] = {}
    for rule in rules:
        key = (rule.actor, rule.source)
        found[key] = (*found.get(key, ()), rule)
    return found


_BY_SOURCE = _index(RULES)


def rules_for(application: Application, mover: Mover) -> tuple[Rule, ...]:
    """The rows that are the mover's from the present state, whether or not their guards agree."""
    if mover.actor is Actor.COMPANY and not _company_may(application, mover):
        return ()
    if application.offering is not None:
        return ()
    rules = _BY_SOURCE.get((mover.actor, application.state), ())
    if application.acceptance is not None:
        return tuple(rule for rule in rules if rule.verb == "accept")
    return rules


def _company_may(application: Application, mover: Mover) -> bool:
    return mover.role in HANDLERS and len(application.history) < MOVES_KEPT


def allowed(application: Application, mover: Mover, now: datetime) -> tuple[State, ...]:
    """Where the mover may move it now, in the pipeline's order."""
    targets = {
        rule.leads_to(application)
        for rule in rules_for(application, mover)
        if rule.guard(application, mover, now)
    }
    return tuple(state for state in State if state in targets)


def calls_of(application: Application, mover: Mover, now: datetime) -> tuple[tuple[State, str], ...]:
    """Where the mover may move it now, and by which call."""
    return tuple(
        (rule.leads_to(application), CALLS[rule.verb])
        for rule in rules_for(application, mover)
        if rule.verb in CALLS and rule.guard(application, mover, now)
    )


def condition_of(application: Application, mover: Mover, target: State) -> str:
    """What the row to that target asks for, for whoever was refused; empty when there is no such row."""
    rules = rules_for(application, mover)
    return next((rule.condition for rule in rules if rule.target in (target, None)), "")

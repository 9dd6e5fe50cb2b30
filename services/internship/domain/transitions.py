"""The state machine of listings: one table of moves, and the changes that obey it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from chassis.errors import DomainError, Move, failed, illegal_transition, invalid

from .model import HISTORY_LENGTH, SYSTEM, Actor, Company, Listing, Mover, Posting, State, StateChange
from .rules import (
    Condition,
    all_taken,
    always,
    complete,
    complete_with_opening,
    contradictions,
    deadline_passed,
    too_few_openings,
    unpublishable,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may make a move, and on what condition."""

    who: frozenset[Actor]
    condition: Condition = always


_COMPANY = frozenset({Actor.COMPANY})
_MODERATOR = frozenset({Actor.MODERATOR})
_SYSTEM = frozenset({Actor.SYSTEM})

RULES: Mapping[tuple[State, State], Rule] = {
    (State.DRAFT, State.PENDING_REVIEW): Rule(_COMPANY, complete),
    (State.DRAFT, State.OPEN): Rule(_COMPANY, complete_with_opening),
    (State.DRAFT, State.ARCHIVED): Rule(_COMPANY),
    (State.PENDING_REVIEW, State.OPEN): Rule(_MODERATOR, complete_with_opening),
    (State.PENDING_REVIEW, State.CHANGES_REQUESTED): Rule(_MODERATOR),
    (State.PENDING_REVIEW, State.DRAFT): Rule(_COMPANY),
    (State.CHANGES_REQUESTED, State.PENDING_REVIEW): Rule(_COMPANY, complete),
    (State.CHANGES_REQUESTED, State.ARCHIVED): Rule(_COMPANY | _MODERATOR),
    (State.OPEN, State.PAUSED): Rule(_COMPANY),
    (State.OPEN, State.FILLED): Rule(_SYSTEM, all_taken),
    (State.OPEN, State.EXPIRED): Rule(_SYSTEM, deadline_passed),
    (State.OPEN, State.CLOSED): Rule(_COMPANY),
    (State.OPEN, State.SUSPENDED): Rule(_MODERATOR),
    (State.PAUSED, State.OPEN): Rule(_COMPANY, complete_with_opening),
    (State.PAUSED, State.CLOSED): Rule(_COMPANY),
    (State.PAUSED, State.EXPIRED): Rule(_SYSTEM, deadline_passed),
    (State.EXPIRED, State.OPEN): Rule(_COMPANY, complete_with_opening),
    (State.EXPIRED, State.CLOSED): Rule(_COMPANY),
    (State.EXPIRED, State.ARCHIVED): Rule(_COMPANY),
    (State.FILLED, State.OPEN): Rule(_COMPANY | _SYSTEM, complete_with_opening),
    (State.FILLED, State.CLOSED): Rule(_COMPANY),
    (State.FILLED, State.ARCHIVED): Rule(_COMPANY),
    (State.CLOSED, State.DRAFT): Rule(_COMPANY),
    (State.CLOSED, State.ARCHIVED): Rule(_COMPANY),
    (State.SUSPENDED, State.OPEN): Rule(_MODERATOR, complete_with_opening),
    (State.SUSPENDED, State.ARCHIVED): Rule(_MODERATOR | _SYSTEM),
}

CALLS: Mapping[str, Mapping[State, State]] = {
    "PublishInternship": {State.DRAFT: State.OPEN, State.CHANGES_REQUESTED: State.PENDING_REVIEW},
    "RecallInternship": {State.PENDING_REVIEW: State.DRAFT},
    "PauseInternship": {State.OPEN: State.PAUSED},
    "ReopenInternship": {
        State.PAUSED: State.OPEN,
        State.EXPIRED: State.OPEN,
        State.FILLED: State.OPEN,
    },
    "CloseInternship": {
        State.OPEN: State.CLOSED,
        State.PAUSED: State.CLOSED,
        State.EXPIRED: State.CLOSED,
        State.FILLED: State.CLOSED,
    },
    "ArchiveInternship": dict.fromkeys(
        (State.DRAFT, State.CHANGES_REQUESTED, State.EXPIRED, State.FILLED, State.CLOSED), State.ARCHIVED
    ),
}
"""The moves that each call makes; those of the table above that no call makes are offered to nobody."""

EDITABLE = frozenset(State) - {State.ARCHIVED, State.SUSPENDED}
PUBLISHED_ONCE = frozenset({State.PAUSED, State.EXPIRED, State.FILLED})
"""From these a listing is reopened; from a draft it is published."""


def allowed(state: State, actor: Actor) -> tuple[State, ...]:
    """Where `actor` may move a listing in `state`, conditions aside."""
    return tuple(target for (source, target), rule in RULES.items() if source is state and actor in rule.who)


def moves_of(listing: Listing, actor: Actor) -> tuple[Move, ...]:
    """What `actor` can do with the listing now, and by which call."""
    targets = allowed(listing.state, actor)
    return tuple(
        Move(spelled(moves[listing.state]), call)
        for call, moves in CALLS.items()
        if moves.get(listing.state) in targets
    )


def can_move(listing: Listing, target: State, mover: Mover, now: datetime) -> bool:
    """Whether the move is in the table, the mover's to make, and its condition holds."""
    rule = RULES.get((listing.state, target))
    return rule is not None and mover.actor in rule.who and not rule.condition(listing, now)


def move(
    listing: Listing,
    target: State,
    mover: Mover,
    now: datetime,
    reason: str = "",
    *,
    of_company: bool = False,
) -> Listing:
    """Moves the listing to `target` and remembers it in the history, with why if somebody said so.

    Raises ILLEGAL_TRANSITION with the allowed targets, INTERNSHIP_INCOMPLETE with what is wanting.
    """
    rule = RULES.get((listing.state, target))
    if rule is None or mover.actor not in rule.who:
        raise refused_move(
            f"A listing that is {listing.state} does not become {target}.", listing, target, mover
        )
    _demand(rule.condition, listing, now)
    version = listing.version + 1
    change = StateChange(
        time=now,
        actor=mover.actor,
        actor_id=mover.id,
        source=listing.state,
        target=target,
        version=version,
        reason=reason,
        of_company=of_company,
    )
    return replace(
        listing,
        state=target,
        version=version,
        update_time=now,
        history=(*listing.history, change)[-HISTORY_LENGTH:],
    )


def publish(listing: Listing, company: Company, mover: Mover, now: datetime, *, trusted: bool) -> Listing:
    """DRAFT -> OPEN, with the company as it is named now; PENDING_REVIEW unless the company is `trusted`.

    After a moderator has asked for changes the listing is reviewed again in any case. Raises
    ILLEGAL_TRANSITION, INTERNSHIP_INCOMPLETE with a violation per field.
    """
    if listing.state in PUBLISHED_ONCE:
        raise _other_verb(listing, mover, "reopened, not published")
    named = replace(listing, company=company)
    if listing.state is State.CHANGES_REQUESTED or (listing.state is State.DRAFT and not trusted):
        return move(named, State.PENDING_REVIEW, mover, now)
    return replace(move(named, State.OPEN, mover, now), publish_time=now)


def reopen(
    listing: Listing,
    company: Company,
    mover: Mover,
    now: datetime,
    *,
    renew: Callable[[Posting], Posting] = lambda posting: posting,
) -> Listing:
    """PAUSED, EXPIRED or FILLED -> OPEN; an expired one needs a new deadline, a filled one an opening more.

    Raises ILLEGAL_TRANSITION, INTERNSHIP_INCOMPLETE with a violation per field, INVALID_FIELD for openings
    that are fewer than those taken.
    """
    if listing.state in (State.DRAFT, State.CHANGES_REQUESTED):
        raise _other_verb(listing, mover, "published, not reopened")
    if listing.state in (State.PENDING_REVIEW, State.SUSPENDED):
        raise refused_move(f"A listing that is {listing.state} is not reopened.", listing, State.OPEN, mover)
    posting = renew(listing.posting)
    return move(replace(listing, company=company, posting=posting), State.OPEN, mover, now)


def _other_verb(listing: Listing, mover: Mover, how: str) -> DomainError:
    return refused_move(f"A listing that is {listing.state} is {how}.", listing, State.OPEN, mover)


def refused_move(message: str, listing: Listing, target: State, mover: Mover) -> DomainError:
    """ILLEGAL_TRANSITION with what the mover can do with the listing now."""
    moves = moves_of(listing, mover.actor)
    return illegal_transition(message, spelled(listing.state), spelled(target), moves)


def spelled(state: State) -> str:
    """The state as answers spell it."""
    return f"INTERNSHIP_STATE_{state}"


def revise(listing: Listing, posting: Posting, now: datetime) -> Listing:
    """The listing with another posting; the same listing when nothing differs.

    Raises INVALID_FIELD for fields that contradict each other, INTERNSHIP_INCOMPLETE when an open listing
    would lack what publishing needs, ILLEGAL_TRANSITION where nothing may be edited.
    """
    if listing.state not in EDITABLE:
        raise DomainError(
            "ILLEGAL_TRANSITION",
            f"A listing that is {listing.state} cannot be edited.",
            metadata={"state": spelled(listing.state)},
            moves=moves_of(listing, Actor.COMPANY),
        )
    if posting == listing.posting:
        return listing
    revised = replace(listing, posting=posting, version=listing.version + 1, update_time=now)
    if wrong := (*contradictions(posting), *too_few_openings(revised)):
        raise invalid(*wrong)
    if listing.state is State.OPEN:
        _demand(unpublishable, revised, now)
    return revised


def rename_company(listing: Listing, company: Company, now: datetime) -> Listing:
    """The listing with its company as it is named now; the same listing when nothing differs."""
    if listing.company == company:
        return listing
    return replace(listing, company=company, version=listing.version + 1, update_time=now)


def settle(listing: Listing, now: datetime) -> Listing:
    """What the system does by itself: a listing without a free opening is FILLED, a late one EXPIRED."""
    for target in (State.FILLED, State.EXPIRED):
        if can_move(listing, target, SYSTEM, now):
            return move(listing, target, SYSTEM, now)
    return listing


def _demand(condition: Condition, listing: Listing, now: datetime) -> None:
    if wanting := condition(listing, now):
        fields = ", ".join(violation.field for violation in wanting)
        raise failed("INTERNSHIP_INCOMPLETE", f"The listing cannot be open like this: {fields}.", *wanting)

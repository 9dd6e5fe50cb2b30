"""The state machine of listings: one table of moves, and the functions that apply it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from chassis.errors import AllowedTransition, DomainError, domain_error, illegal_transition, invalid_argument
from services.internship.domain.model import (
    MAX_HISTORY_LENGTH,
    SYSTEM_ACTOR,
    Actor,
    ActorKind,
    Listing,
    ListingCompany,
    ListingState,
    Posting,
    StateChange,
)
from services.internship.domain.rules import (
    TransitionCondition,
    all_openings_are_taken,
    deadline_has_passed,
    listing_is_complete,
    listing_is_complete_with_opening,
    no_condition,
    opening_violations,
    posting_violations,
    publishing_violations,
)


@dataclass(frozen=True, slots=True)
class ListingTransition:
    """The actors that may make a move, and its condition."""

    actor_kinds: frozenset[ActorKind]
    condition: TransitionCondition = no_condition


_COMPANY = frozenset({ActorKind.COMPANY})
_MODERATOR = frozenset({ActorKind.MODERATOR})
_SYSTEM = frozenset({ActorKind.SYSTEM})

LISTING_TRANSITIONS: Mapping[tuple[ListingState, ListingState], ListingTransition] = {
    (ListingState.DRAFT, ListingState.PENDING_REVIEW): ListingTransition(_COMPANY, listing_is_complete),
    (ListingState.DRAFT, ListingState.OPEN): ListingTransition(_COMPANY, listing_is_complete_with_opening),
    (ListingState.DRAFT, ListingState.ARCHIVED): ListingTransition(_COMPANY),
    (ListingState.PENDING_REVIEW, ListingState.OPEN): ListingTransition(
        _MODERATOR, listing_is_complete_with_opening
    ),
    (ListingState.PENDING_REVIEW, ListingState.CHANGES_REQUESTED): ListingTransition(_MODERATOR),
    (ListingState.PENDING_REVIEW, ListingState.DRAFT): ListingTransition(_COMPANY),
    (ListingState.CHANGES_REQUESTED, ListingState.PENDING_REVIEW): ListingTransition(
        _COMPANY, listing_is_complete
    ),
    (ListingState.CHANGES_REQUESTED, ListingState.ARCHIVED): ListingTransition(_COMPANY | _MODERATOR),
    (ListingState.OPEN, ListingState.PAUSED): ListingTransition(_COMPANY),
    (ListingState.OPEN, ListingState.FILLED): ListingTransition(_SYSTEM, all_openings_are_taken),
    (ListingState.OPEN, ListingState.EXPIRED): ListingTransition(_SYSTEM, deadline_has_passed),
    (ListingState.OPEN, ListingState.CLOSED): ListingTransition(_COMPANY),
    (ListingState.OPEN, ListingState.SUSPENDED): ListingTransition(_MODERATOR),
    (ListingState.PAUSED, ListingState.OPEN): ListingTransition(_COMPANY, listing_is_complete_with_opening),
    (ListingState.PAUSED, ListingState.CLOSED): ListingTransition(_COMPANY),
    (ListingState.PAUSED, ListingState.EXPIRED): ListingTransition(_SYSTEM, deadline_has_passed),
    (ListingState.EXPIRED, ListingState.OPEN): ListingTransition(_COMPANY, listing_is_complete_with_opening),
    (ListingState.EXPIRED, ListingState.CLOSED): ListingTransition(_COMPANY),
    (ListingState.EXPIRED, ListingState.ARCHIVED): ListingTransition(_COMPANY),
    (ListingState.FILLED, ListingState.OPEN): ListingTransition(
        _COMPANY | _SYSTEM, listing_is_complete_with_opening
    ),
    (ListingState.FILLED, ListingState.CLOSED): ListingTransition(_COMPANY),
    (ListingState.FILLED, ListingState.ARCHIVED): ListingTransition(_COMPANY),
    (ListingState.CLOSED, ListingState.DRAFT): ListingTransition(_COMPANY),
    (ListingState.CLOSED, ListingState.ARCHIVED): ListingTransition(_COMPANY),
    (ListingState.SUSPENDED, ListingState.OPEN): ListingTransition(
        _MODERATOR, listing_is_complete_with_opening
    ),
    (ListingState.SUSPENDED, ListingState.ARCHIVED): ListingTransition(_MODERATOR | _SYSTEM),
}

MOVES_BY_CALL: Mapping[str, Mapping[ListingState, ListingState]] = {
    "PublishInternship": {
        ListingState.DRAFT: ListingState.OPEN,
        ListingState.CHANGES_REQUESTED: ListingState.PENDING_REVIEW,
    },
    "RecallInternship": {ListingState.PENDING_REVIEW: ListingState.DRAFT},
    "PauseInternship": {ListingState.OPEN: ListingState.PAUSED},
    "ReopenInternship": {
        ListingState.PAUSED: ListingState.OPEN,
        ListingState.EXPIRED: ListingState.OPEN,
        ListingState.FILLED: ListingState.OPEN,
    },
    "CloseInternship": {
        ListingState.OPEN: ListingState.CLOSED,
        ListingState.PAUSED: ListingState.CLOSED,
        ListingState.EXPIRED: ListingState.CLOSED,
        ListingState.FILLED: ListingState.CLOSED,
    },
    "ArchiveInternship": dict.fromkeys(
        (
            ListingState.DRAFT,
            ListingState.CHANGES_REQUESTED,
            ListingState.EXPIRED,
            ListingState.FILLED,
            ListingState.CLOSED,
        ),
        ListingState.ARCHIVED,
    ),
}
"""The moves of each RPC; moves of the table above without an RPC are not offered to callers."""

EDITABLE_STATES = frozenset(ListingState) - {ListingState.ARCHIVED, ListingState.SUSPENDED}
REOPENABLE_STATES = frozenset({ListingState.PAUSED, ListingState.EXPIRED, ListingState.FILLED})
"""The states from which a listing is reopened; a draft is published instead."""


def allowed_targets(state: ListingState, actor: ActorKind) -> tuple[ListingState, ...]:
    """Return the states to which `actor` may move a listing in `state`, conditions aside."""
    return tuple(
        target
        for (source, target), rule in LISTING_TRANSITIONS.items()
        if source is state and actor in rule.actor_kinds
    )


def allowed_moves(listing: Listing, actor: ActorKind) -> tuple[AllowedTransition, ...]:
    """Return the moves that `actor` can make now, each with its RPC."""
    targets = allowed_targets(listing.state, actor)
    return tuple(
        AllowedTransition(contract_state_name(moves[listing.state]), call)
        for call, moves in MOVES_BY_CALL.items()
        if moves.get(listing.state) in targets
    )


def can_move(listing: Listing, target: ListingState, actor: Actor, now: datetime) -> bool:
    """Return whether the table has the move for the actor, and its condition holds."""
    rule = LISTING_TRANSITIONS.get((listing.state, target))
    return rule is not None and actor.kind in rule.actor_kinds and not rule.condition(listing, now)


def move_listing(
    listing: Listing,
    target: ListingState,
    actor: Actor,
    now: datetime,
    reason: str = "",
    *,
    of_company: bool = False,
) -> Listing:
    """Return the listing moved to `target`, with the move and its `reason` in the history.

    Raises ILLEGAL_TRANSITION with the allowed targets, INTERNSHIP_INCOMPLETE with the missing fields.
    """
    rule = LISTING_TRANSITIONS.get((listing.state, target))
    if rule is None or actor.kind not in rule.actor_kinds:
        raise illegal_move_error(
            f"A listing that is {listing.state} does not become {target}.", listing, target, actor
        )
    _check_condition(rule.condition, listing, now)
    version = listing.version + 1
    change = StateChange(
        time=now,
        actor=actor.kind,
        actor_id=actor.id,
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
        history=(*listing.history, change)[-MAX_HISTORY_LENGTH:],
    )


def publish_listing(
    listing: Listing, company: ListingCompany, actor: Actor, now: datetime, *, trusted: bool
) -> Listing:
    """Return a draft as OPEN, with the company's present name; PENDING_REVIEW unless it is `trusted` with it.

    After a moderator has asked for changes the listing is reviewed in any case. Raises ILLEGAL_TRANSITION,
    INTERNSHIP_INCOMPLETE with a violation per field.
    """
    if listing.state in REOPENABLE_STATES:
        raise _wrong_call_error(listing, actor, "reopened, not published")
    named = replace(listing, company=company)
    if listing.state is ListingState.CHANGES_REQUESTED or (
        listing.state is ListingState.DRAFT and not trusted
    ):
        return move_listing(named, ListingState.PENDING_REVIEW, actor, now)
    return replace(move_listing(named, ListingState.OPEN, actor, now), publish_time=now)


def reopen_listing(
    listing: Listing,
    company: ListingCompany,
    actor: Actor,
    now: datetime,
    *,
    renew: Callable[[Posting], Posting] = lambda posting: posting,
) -> Listing:
    """Return a paused, expired or filled listing as OPEN; `renew` sets a new deadline or more openings.

    An expired listing needs a new deadline, a filled one another opening. Raises ILLEGAL_TRANSITION,
    INTERNSHIP_INCOMPLETE with a violation per field, INVALID_FIELD for fewer openings than are taken.
    """
    if listing.state in (ListingState.DRAFT, ListingState.CHANGES_REQUESTED):
        raise _wrong_call_error(listing, actor, "published, not reopened")
    if listing.state in (ListingState.PENDING_REVIEW, ListingState.SUSPENDED):
        raise illegal_move_error(
            f"A listing that is {listing.state} is not reopened.", listing, ListingState.OPEN, actor
        )
    posting = renew(listing.posting)
    return move_listing(replace(listing, company=company, posting=posting), ListingState.OPEN, actor, now)


def _wrong_call_error(listing: Listing, actor: Actor, how: str) -> DomainError:
    return illegal_move_error(
        f"A listing that is {listing.state} is {how}.", listing, ListingState.OPEN, actor
    )


def illegal_move_error(message: str, listing: Listing, target: ListingState, actor: Actor) -> DomainError:
    """Return ILLEGAL_TRANSITION with the moves that the actor can make now."""
    moves = allowed_moves(listing, actor.kind)
    return illegal_transition(message, contract_state_name(listing.state), contract_state_name(target), moves)


def contract_state_name(state: ListingState) -> str:
    """Return the state as answers spell it."""
    return f"INTERNSHIP_STATE_{state}"


def revise_posting(listing: Listing, posting: Posting, now: datetime) -> Listing:
    """Return the listing with another posting; the same listing when nothing differs.

    Raises INVALID_FIELD for fields that contradict each other, INTERNSHIP_INCOMPLETE when an open listing
    would lack what publishing needs, ILLEGAL_TRANSITION where nothing may be edited.
    """
    if listing.state not in EDITABLE_STATES:
        raise DomainError(
            "ILLEGAL_TRANSITION",
            f"A listing that is {listing.state} cannot be edited.",
            metadata={"state": contract_state_name(listing.state)},
            allowed_transitions=allowed_moves(listing, ActorKind.COMPANY),
        )
    if posting == listing.posting:
        return listing
    revised = replace(listing, posting=posting, version=listing.version + 1, update_time=now)
    if wrong := (*posting_violations(posting), *opening_violations(revised)):
        raise invalid_argument(*wrong)
    if listing.state is ListingState.OPEN:
        _check_condition(publishing_violations, revised, now)
    return revised


def rename_company(listing: Listing, company: ListingCompany, now: datetime) -> Listing:
    """Return the listing with its company's present name; the same listing when nothing differs."""
    if listing.company == company:
        return listing
    return replace(listing, company=company, version=listing.version + 1, update_time=now)


def settle_listing(listing: Listing, now: datetime) -> Listing:
    """Return the listing after automatic moves: FILLED without a free opening, EXPIRED after its deadline."""
    for target in (ListingState.FILLED, ListingState.EXPIRED):
        if can_move(listing, target, SYSTEM_ACTOR, now):
            return move_listing(listing, target, SYSTEM_ACTOR, now)
    return listing


def _check_condition(condition: TransitionCondition, listing: Listing, now: datetime) -> None:
    if wanting := condition(listing, now):
        fields = ", ".join(violation.field for violation in wanting)
        raise domain_error(
            "INTERNSHIP_INCOMPLETE", f"The listing cannot be open like this: {fields}.", *wanting
        )

"""Trust in companies, and moderators' decisions about listings."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from chassis.errors import AllowedTransition, DomainError, domain_error, illegal_transition
from services.internship.domain.events import ListingWasDeleted
from services.internship.domain.flags import flagged_texts
from services.internship.domain.model import (
    PUBLIC_STATES,
    Actor,
    ActorKind,
    Listing,
    ListingState,
    ModerationDecision,
    Posting,
)
from services.internship.domain.transitions import (
    allowed_moves,
    allowed_targets,
    contract_state_name,
    move_listing,
)


class CompanyTrustState(StrEnum):
    """The states of a company that decide how far it is trusted."""

    VERIFIED = "VERIFIED"
    REJECTED = "REJECTED"
    SUSPENDED = "SUSPENDED"


UNREVIEWED_FIELDS: Final = (
    *("openings", "apply_open_time", "apply_deadline", "apply_deadline_zone", "apply_deadline_date"),
    *("respond_within_days", "external_id", "blind_review"),
)
"""The fields of a public listing that a company may change without another review."""

_TARGETS: Final[Mapping[ModerationDecision, ListingState]] = {
    ModerationDecision.APPROVE: ListingState.OPEN,
    ModerationDecision.REQUEST_CHANGES: ListingState.CHANGES_REQUESTED,
    ModerationDecision.REJECT: ListingState.ARCHIVED,
    ModerationDecision.SUSPEND: ListingState.SUSPENDED,
    ModerationDecision.REINSTATE: ListingState.OPEN,
}
_ALTERNATIVES: Final[Mapping[ListingState, str]] = {
    ListingState.ARCHIVED: "archive it instead",
    ListingState.DRAFT: "recall it first",
    ListingState.CLOSED: "close it first, then archive it",
}
"""The moves that a company can make instead of deleting a listing: the first of these that is allowed."""
_SOURCES: Final[Mapping[ModerationDecision, frozenset[ListingState]]] = {
    ModerationDecision.APPROVE: frozenset({ListingState.PENDING_REVIEW}),
    ModerationDecision.REQUEST_CHANGES: frozenset({ListingState.PENDING_REVIEW}),
    ModerationDecision.REJECT: frozenset(
        {ListingState.PENDING_REVIEW, ListingState.CHANGES_REQUESTED, ListingState.SUSPENDED}
    ),
    ModerationDecision.SUSPEND: frozenset({ListingState.OPEN}),
    ModerationDecision.REINSTATE: frozenset({ListingState.SUSPENDED}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanyStanding:
    """The trust in a company; `id` is the company's.

    `state` and `version` are those of its last event, "" and 0 before the first.
    """

    id: str
    state: str = ""
    version: int = 0
    approved_listing_id: str = ""
    """The first of its listings that a moderator approved."""

    @property
    def is_verified(self) -> bool:
        return self.state == CompanyTrustState.VERIFIED

    @property
    def is_trusted(self) -> bool:
        """Whether its listings without flags are published without review."""
        if self.state in (CompanyTrustState.REJECTED, CompanyTrustState.SUSPENDED):
            return False
        return self.is_verified or bool(self.approved_listing_id)

    def may_publish_unread(self, posting: Posting) -> bool:
        """Whether a listing goes online without a look: one with flags only if the company is verified."""
        return self.is_verified or (self.is_trusted and not flagged_texts(posting))

    def with_state(self, state: str, version: int) -> "CompanyStanding":
        """Return it with the state of an event, unless a later event was applied before."""
        return replace(self, state=state, version=version) if version > self.version else self

    def with_page_state(self, state: str) -> "CompanyStanding":
        """Return it with the state that the user service answers; events override that."""
        return self if self.version or not state else replace(self, state=state)

    def with_approved_listing(self, listing_id: str) -> "CompanyStanding":
        """Return it with one of its listings approved."""
        return self if self.approved_listing_id else replace(self, approved_listing_id=listing_id)


def apply_decision(
    listing: Listing, decision: ModerationDecision, actor: Actor, now: datetime, reason: str
) -> Listing:
    """Return the listing after a moderator's decision.

    Raises ILLEGAL_TRANSITION with the allowed targets, INTERNSHIP_INCOMPLETE.
    """
    target = _TARGETS[decision]
    if listing.state not in _SOURCES[decision]:
        message = f"A listing that is {listing.state} takes no decision {decision}."
        moves = tuple(
            AllowedTransition(contract_state_name(_TARGETS[other]), "ModerateInternship")
            for other in ModerationDecision
            if listing.state in _SOURCES[other]
        )
        raise illegal_transition(
            message, contract_state_name(listing.state), contract_state_name(target), moves
        )
    if decision is ModerationDecision.REJECT and listing.state is ListingState.PENDING_REVIEW:
        listing = move_listing(listing, ListingState.CHANGES_REQUESTED, actor, now, reason)
    moved = move_listing(listing, target, actor, now, reason)
    return replace(moved, publish_time=now) if decision is ModerationDecision.APPROVE else moved


def check_edit_allowed(listing: Listing, posting: Posting, standing: CompanyStanding) -> None:
    """Raise COMPANY_NOT_VERIFIED for a change of a public listing's text while its company is not trusted.

    Of one that is trusted but not verified, only what flags are in is refused. Raises COMPANY_NOT_VERIFIED.
    """
    if listing.state not in PUBLIC_STATES or standing.is_verified:
        return
    if standing.is_trusted:
        _check_nothing_newly_flagged(listing.posting, posting)
        return
    same = replace(posting, **{name: getattr(listing.posting, name) for name in UNREVIEWED_FIELDS})
    if same != listing.posting:
        raise domain_error(
            "COMPANY_NOT_VERIFIED",
            "Until your company is verified, what a public listing says is changed only by a new listing, "
            "which a person reads first; openings, times and the deadline you may change here.",
        )


def _check_nothing_newly_flagged(before: Posting, after: Posting) -> None:
    """Raise COMPANY_NOT_VERIFIED unless a moderator has read all flagged texts as they would be."""
    read = flagged_texts(before)
    if new := [field for field, text in flagged_texts(after).items() if read.get(field) != text]:
        raise domain_error(
            "COMPANY_NOT_VERIFIED",
            f"What {' and '.join(new)} would say is read by a person first, until your company is verified: "
            "fees, payments and contact elsewhere. Put it into a new listing.",
        )


def _alternative_to_deletion(listing: Listing) -> str:
    targets = allowed_targets(listing.state, ActorKind.COMPANY)
    return next((f"; {what}" for target, what in _ALTERNATIVES.items() if target in targets), "")


def delete_listing(listing: Listing) -> ListingWasDeleted:
    """Return the event of a draft's deletion. Raises ILLEGAL_TRANSITION unless it was never published."""
    if error := deletion_error(listing):
        raise error
    return ListingWasDeleted(listing.id, listing.company.id, listing.version + 1)


def deletion_error(listing: Listing) -> DomainError | None:
    """Return why a listing cannot be deleted; None for a draft that was never published."""
    if listing.state is ListingState.DRAFT and listing.publish_time is None:
        return None
    return DomainError(
        "ILLEGAL_TRANSITION",
        f"Only a draft that was never published is deleted, and this listing is {listing.state}"
        f"{' and was published' if listing.publish_time else ''}{_alternative_to_deletion(listing)}.",
        metadata={"state": contract_state_name(listing.state), "target": "DELETED"},
        allowed_transitions=allowed_moves(listing, ActorKind.COMPANY),
    )

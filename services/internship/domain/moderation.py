"""Trust in companies, and what moderators decide about listings."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from chassis.errors import DomainError, Move, failed, illegal_transition

from .model import Actor, Decision, Listing, Mover, Posting, State
from .transitions import allowed, move, moves_of, spelled

VERIFIED: Final = "VERIFIED"
REJECTED: Final = "REJECTED"
SUSPENDED: Final = "SUSPENDED"

SHOWN: Final = frozenset({State.OPEN, State.PAUSED, State.FILLED, State.EXPIRED, State.CLOSED})
IMMATERIAL: Final = (
    *("openings", "apply_open_time", "apply_deadline", "apply_deadline_zone", "apply_deadline_date"),
    *("respond_within_days", "external_id"),
)
"""What a company may change of a listing that is public without anybody's having to read it again."""

_TARGETS: Final[Mapping[Decision, State]] = {
    Decision.APPROVE: State.OPEN,
    Decision.REQUEST_CHANGES: State.CHANGES_REQUESTED,
    Decision.REJECT: State.ARCHIVED,
    Decision.SUSPEND: State.SUSPENDED,
    Decision.REINSTATE: State.OPEN,
}
_INSTEAD: Final[Mapping[State, str]] = {
    State.ARCHIVED: "archive it instead",
    State.DRAFT: "recall it first",
    State.CLOSED: "close it first, then archive it",
}
"""What a company does with a listing that may not be deleted: the first of these that it may."""
_FROM: Final[Mapping[Decision, frozenset[State]]] = {
    Decision.APPROVE: frozenset({State.PENDING_REVIEW}),
    Decision.REQUEST_CHANGES: frozenset({State.PENDING_REVIEW}),
    Decision.REJECT: frozenset({State.PENDING_REVIEW, State.CHANGES_REQUESTED, State.SUSPENDED}),
    Decision.SUSPEND: frozenset({State.OPEN}),
    Decision.REINSTATE: frozenset({State.SUSPENDED}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of a company here; `id` is the company's.

    `state` and `version` are those of its page as last heard of, "" and 0 before that.
    """

    id: str
    state: str = ""
    version: int = 0
    approved_listing_id: str = ""
    """The first of its listings that a person approved."""

    @property
    def trusted(self) -> bool:
        """Whether its listings are published without a look."""
        if self.state in (REJECTED, SUSPENDED):
            return False
        return self.state == VERIFIED or bool(self.approved_listing_id)

    def heard(self, state: str, version: int) -> "Standing":
        """With the state of its page, unless that is older than what is known."""
        return replace(self, state=state, version=version) if version > self.version else self

    def seen(self, state: str) -> "Standing":
        """With the state that its page shows, until there is news of it that can be put in order."""
        return self if self.version or not state else replace(self, state=state)

    def approved(self, listing_id: str) -> "Standing":
        """With one of its listings approved."""
        return self if self.approved_listing_id else replace(self, approved_listing_id=listing_id)


def decide(listing: Listing, decision: Decision, mover: Mover, now: datetime, reason: str) -> Listing:
    """Carries out a moderator's decision.

    Raises ILLEGAL_TRANSITION with the targets that are allowed, INTERNSHIP_INCOMPLETE.
    """
    target = _TARGETS[decision]
    if listing.state not in _FROM[decision]:
        message = f"A listing that is {listing.state} takes no decision {decision}."
        moves = tuple(
            Move(spelled(_TARGETS[other]), "ModerateInternship")
            for other in Decision
            if listing.state in _FROM[other]
        )
        raise illegal_transition(message, spelled(listing.state), spelled(target), moves)
    if decision is Decision.REJECT and listing.state is State.PENDING_REVIEW:
        listing = move(listing, State.CHANGES_REQUESTED, mover, now, reason)
    moved = move(listing, target, mover, now, reason)
    return replace(moved, publish_time=now) if decision is Decision.APPROVE else moved


def check_edit(listing: Listing, posting: Posting, standing: Standing) -> None:
    """Holds back a change of what a public listing says while its company is not trusted.

    Raises COMPANY_NOT_VERIFIED.
    """
    if listing.state not in SHOWN or standing.trusted:
        return
    same = replace(posting, **{name: getattr(listing.posting, name) for name in IMMATERIAL})
    if same != listing.posting:
        raise failed(
            "COMPANY_NOT_VERIFIED",
            "Until your company is verified, what a public listing says is changed only by a new listing, "
            "which a person reads first; openings, times and the deadline you may change here.",
        )


def _instead(listing: Listing) -> str:
    targets = allowed(listing.state, Actor.COMPANY)
    return next((f"; {what}" for target, what in _INSTEAD.items() if target in targets), "")


def not_deletable(listing: Listing) -> DomainError | None:
    """Why a listing may not be deleted: only a draft that was never published may."""
    if listing.state is State.DRAFT and listing.publish_time is None:
        return None
    return DomainError(
        "ILLEGAL_TRANSITION",
        f"Only a draft that was never published is deleted, and this listing is {listing.state}"
        f"{' and was published' if listing.publish_time else ''}{_instead(listing)}.",
        metadata={"state": spelled(listing.state), "target": "DELETED"},
        moves=moves_of(listing, Actor.COMPANY),
    )

"""The use cases of moderators: list and read cases, and decide them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from chassis.errors import stale_etag
from chassis.idempotency import IdempotentOperation
from chassis.mongo.documents import format_etag
from services.internship.domain.flags import ModerationFlag, moderation_flags
from services.internship.domain.model import (
    Actor,
    ActorKind,
    Listing,
    ListingState,
    ModerationDecision,
)
from services.internship.domain.moderation import CompanyStanding, apply_decision
from services.internship.repository.listings import ListingRepository


@dataclass(frozen=True, slots=True, kw_only=True)
class ModerationCase:
    """A listing as a moderator sees it."""

    listing: Listing
    flags: tuple[ModerationFlag, ...]
    standing: CompanyStanding


@dataclass(frozen=True)
class ModerateListings:
    """The use cases of moderators."""

    listings: ListingRepository

    async def list_cases(self, state: ListingState, limit: int) -> tuple[list[ModerationCase], Sequence[str]]:
        """Return the listings in a state, the longest waiting first, and the shards that did not answer."""
        rows, missing = await self.listings.list_in_state(state, limit)
        return [_build_case(listing, standing) for listing, standing in rows], missing

    async def get_case(self, listing_id: str) -> ModerationCase:
        """Return one listing, whatever its state. Raises INTERNSHIP_NOT_FOUND."""
        listing = await self.listings.get_or_raise(listing_id)
        return _build_case(listing, await self.listings.get_standing(listing.company.id))

    async def decide_case(
        self,
        listing_id: str,
        decision: ModerationDecision,
        *,
        etag: str,
        moderator: str,
        reason: str,
        operation: IdempotentOperation | None = None,
    ) -> ModerationCase:
        """Apply a decision to the version of `etag`; an approval also makes the company trusted.

        Raises INTERNSHIP_NOT_FOUND, STALE_ETAG, ILLEGAL_TRANSITION, INTERNSHIP_INCOMPLETE.
        """
        actor = Actor(kind=ActorKind.MODERATOR, id=moderator)

        def decide(
            listing: Listing, standing: CompanyStanding, now: datetime
        ) -> tuple[Listing, CompanyStanding]:
            if etag != format_etag(listing.version):
                raise stale_etag("internship", listing_id)
            decided = apply_decision(listing, decision, actor, now, reason)
            is_approval = decision is ModerationDecision.APPROVE
            return decided, standing.with_approved_listing(listing_id) if is_approval else standing

        return _build_case(*await self.listings.update_with_standing(listing_id, decide, operation=operation))


def _build_case(listing: Listing, standing: CompanyStanding) -> ModerationCase:
    return ModerationCase(listing=listing, flags=moderation_flags(listing.posting), standing=standing)

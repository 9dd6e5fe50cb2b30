"""The use cases that read listings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chassis.aggregates import BatchRead
from chassis.call_context import Principal
from chassis.errors import permission_denied
from services.internship.domain.model import PUBLIC_STATES, Listing, ListingState, listing_not_found
from services.internship.repository.listings import ListingRepository
from services.internship.service.manage_listings import is_member
from services.internship.service.record_views import ViewRecorder

OPERATOR_KINDS: Final = frozenset({"SERVICE", "MODERATOR", "ADMIN"})
"""Kinds of principals that read every listing."""


@dataclass(frozen=True)
class ReadListings:
    """Reads listings that the caller may see."""

    listings: ListingRepository
    views: ViewRecorder

    async def get_public(self, listing_id: str) -> Listing | None:
        """Return the listing if it is public; None otherwise."""
        listing = await self.listings.get(listing_id)
        return listing if listing is not None and listing.state in PUBLIC_STATES else None

    async def get_listing(self, principal: Principal, listing_id: str) -> Listing:
        """Return the listing to its company, a service or an operator; to others if it is public.

        Raises INTERNSHIP_NOT_FOUND.
        """
        listing = await self.listings.get_or_raise(listing_id)
        if principal.kind in OPERATOR_KINDS or is_member(principal, listing):
            return listing
        if listing.state not in PUBLIC_STATES:
            raise listing_not_found(listing_id)
        self.views.record(listing_id, principal.id)
        return listing

    async def list_intakes(self, listing_ids: Sequence[str]) -> BatchRead[Listing]:
        """Return listings in any state, without the fields that applying does not need."""
        return await self.listings.list_intakes(listing_ids)

    async def list_of_company(
        self, principal: Principal, states: Sequence[ListingState], before: str | None, limit: int
    ) -> tuple[list[Listing], bool]:
        """Return the company's listings older than `before`, newest first, and whether more exist.

        Raises PERMISSION_DENIED for an account that belongs to no company.
        """
        if not principal.org:
            raise permission_denied("This account belongs to no company.")
        found = await self.listings.list_of_company(
            principal.org, states=states, before=before, limit=limit + 1
        )
        return found[:limit], len(found) > limit

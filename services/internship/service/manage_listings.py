"""The use cases by which a company writes and moves its listings."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from chassis.call_context import Principal
from chassis.clock import Clock
from chassis.errors import invalid_argument, stale_etag
from chassis.idempotency import IdempotentOperation
from chassis.ids import new_id, slot_of
from chassis.mongo.documents import format_etag
from chassis.search.gazetteer import Gazetteer
from services.internship.domain import transitions
from services.internship.domain.events import ListingWasDeleted
from services.internship.domain.geocoding import Coordinates, geocode_posting
from services.internship.domain.model import (
    Actor,
    ActorKind,
    Listing,
    ListingState,
    Posting,
    listing_not_found,
)
from services.internship.domain.moderation import CompanyStanding, check_edit_allowed, delete_listing
from services.internship.domain.rules import posting_violations
from services.internship.repository.listings import DecideListing, DecideWithStanding, ListingRepository
from services.internship.service.companies import (
    CompanyDirectory,
    require_active_company,
    require_active_snapshot,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanyCall:
    """A company member's call for a change: the caller, and the expected version of the listing.

    `etag` "" accepts any version. `operation` is the one of the idempotency key.
    """

    principal: Principal
    operation: IdempotentOperation | None = None
    etag: str = ""

    @property
    def actor(self) -> Actor:
        """The caller as an actor of the history."""
        return Actor(kind=ActorKind.COMPANY, id=self.principal.id)


@dataclass(frozen=True)
class ManageListings:
    """Writes and moves the listings of the caller's company.

    Every change raises INTERNSHIP_NOT_FOUND for another company's listing, and STALE_ETAG.
    """

    listings: ListingRepository
    companies: CompanyDirectory
    places: Gazetteer
    clock: Clock

    async def create(self, call: CompanyCall, posting: Posting) -> Listing:
        """Draft a listing. Raises INVALID_FIELD, COMPANY_SUSPENDED, UNAVAILABLE."""
        if wrong := posting_violations(posting):
            raise invalid_argument(*wrong)
        company = await require_active_company(self.companies, call.principal.org)
        operation = call.operation
        now, seed = (operation.started_at, operation.id.encode()) if operation else (self.clock.now(), None)
        listing = Listing(
            id=new_id("int", slot_of(company.id), at=now, seed=seed),
            company=company,
            posting=geocode_posting(posting, self._locate_city),
            create_time=now,
            update_time=now,
        )
        return await self.listings.insert_draft(listing)

    async def update(
        self, call: CompanyCall, listing_id: str, change: Callable[[Posting], Posting]
    ) -> Listing:
        """Change the posting.

        Raises INVALID_FIELD, INTERNSHIP_INCOMPLETE, ILLEGAL_TRANSITION, COMPANY_NOT_VERIFIED.
        """

        def decide(
            listing: Listing, standing: CompanyStanding, now: datetime
        ) -> tuple[Listing, CompanyStanding]:
            posting = geocode_posting(change(listing.posting), self._locate_city, listing.posting.locations)
            revised = transitions.revise_posting(listing, posting, now)
            check_edit_allowed(listing, posting, standing)
            settled = revised if revised is listing else transitions.settle_listing(revised, now)
            return settled, standing

        return await self._update_with_standing(call, listing_id, decide)

    async def publish(self, call: CompanyCall, listing_id: str) -> Listing:
        """Open a draft, or submit it for review if its company is not trusted.

        Raises as `transitions.publish_listing`, COMPANY_SUSPENDED.
        """
        snapshot = await require_active_snapshot(self.companies, call.principal.org)

        def decide(
            listing: Listing, standing: CompanyStanding, now: datetime
        ) -> tuple[Listing, CompanyStanding]:
            trusted = replace(standing, state=snapshot.state).may_publish_unread(listing.posting)
            published = transitions.publish_listing(
                self._with_coordinates(listing), snapshot.company, call.actor, now, trusted=trusted
            )
            return published, standing

        return await self._update_with_standing(call, listing_id, decide, snapshot.state)

    async def recall(self, call: CompanyCall, listing_id: str) -> Listing:
        """Take a listing back from review. Raises ILLEGAL_TRANSITION."""
        return await self._move_listing(
            call, listing_id, ListingState.DRAFT, only_from=ListingState.PENDING_REVIEW
        )

    async def archive(self, call: CompanyCall, listing_id: str) -> Listing:
        """Archive a listing for good. Raises ILLEGAL_TRANSITION."""
        return await self._move_listing(call, listing_id, ListingState.ARCHIVED)

    async def pause(self, call: CompanyCall, listing_id: str) -> Listing:
        """Stop intake for a while. Raises ILLEGAL_TRANSITION."""
        return await self._move_listing(call, listing_id, ListingState.PAUSED)

    async def close(self, call: CompanyCall, listing_id: str) -> Listing:
        """End intake. Raises ILLEGAL_TRANSITION."""
        return await self._move_listing(call, listing_id, ListingState.CLOSED)

    async def reopen(
        self, call: CompanyCall, listing_id: str, renew: Callable[[Posting], Posting]
    ) -> Listing:
        """Take applications again, with the renewed deadline and openings.

        Raises as `transitions.reopen_listing`, COMPANY_SUSPENDED.
        """
        company = await require_active_company(self.companies, call.principal.org)

        def decide(listing: Listing, now: datetime) -> Listing:
            return transitions.reopen_listing(
                self._with_coordinates(listing), company, call.actor, now, renew=renew
            )

        return await self._update(call, listing_id, decide)

    async def delete(self, call: CompanyCall, listing_id: str) -> None:
        """Delete a draft that was never published. Raises ILLEGAL_TRANSITION."""

        def decide(listing: Listing, now: datetime) -> ListingWasDeleted:
            _is_done(call, listing)
            return delete_listing(listing)

        await self.listings.delete(listing_id, decide)

    def _with_coordinates(self, listing: Listing) -> Listing:
        """Return the listing with coordinates that older versions of the service did not store."""
        return replace(listing, posting=geocode_posting(listing.posting, self._locate_city))

    def _locate_city(self, city: str, region: str, country: str) -> Coordinates | None:
        found = self.places.locate(city, region, country)
        return None if found is None else (found.lat, found.lng)

    async def _move_listing(
        self,
        call: CompanyCall,
        listing_id: str,
        target: ListingState,
        *,
        only_from: ListingState | None = None,
    ) -> Listing:
        def decide(listing: Listing, now: datetime) -> Listing:
            if only_from is not None and listing.state is not only_from:
                message = f"A listing that is {listing.state} does not become {target} by this call."
                raise transitions.illegal_move_error(message, listing, target, call.actor)
            return transitions.move_listing(listing, target, call.actor, now)

        return await self._update(call, listing_id, decide)

    async def _update(self, call: CompanyCall, listing_id: str, decide: DecideListing) -> Listing:
        def decide_once(listing: Listing, now: datetime) -> Listing:
            return listing if _is_done(call, listing) else decide(listing, now)

        return await self.listings.update_listing(listing_id, decide_once, operation=call.operation)

    async def _update_with_standing(
        self, call: CompanyCall, listing_id: str, decide: DecideWithStanding, page_state: str = ""
    ) -> Listing:
        """Update with the company's standing; `page_state` counts until the first event about it."""

        def decide_once(
            listing: Listing, known: CompanyStanding, now: datetime
        ) -> tuple[Listing, CompanyStanding]:
            standing = known.with_page_state(page_state)
            return (listing, standing) if _is_done(call, listing) else decide(listing, standing, now)

        listing, _ = await self.listings.update_with_standing(
            listing_id, decide_once, operation=call.operation
        )
        return listing


def is_member(principal: Principal, listing: Listing) -> bool:
    """Return whether the principal is a member of the listing's company."""
    return principal.kind == "COMPANY" and principal.org == listing.company.id


def _is_done(call: CompanyCall, listing: Listing) -> bool:
    """Check caller and version; return whether an earlier run of this operation made the change already."""
    if not is_member(call.principal, listing):
        raise listing_not_found(listing.id)
    if call.operation is not None and call.operation.id in listing.operations:
        return True
    if call.etag and call.etag != format_etag(listing.version):
        raise stale_etag("internship", listing.id)
    return False

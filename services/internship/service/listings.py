"""What a company does with its listings, and who may read them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pymongo.errors import DuplicateKeyError

from chassis.call_context import Principal, current_operation, current_operation_seed, current_principal
from chassis.errors import invalid_argument, stale_etag, unavailable
from chassis.ids import new_id, slot_of
from chassis.mongo.documents import format_etag
from chassis.search.gazetteer import Gazetteer
from chassis.sharding.shards import FoundByShard
from chassis.sharding.transactions import Transaction
from internshipconnect.events.v1 import events_pb2 as events
from services.internship import cached_answers
from services.internship.domain import transitions
from services.internship.domain.geocoding import Coordinates, geocode_posting
from services.internship.domain.model import PUBLIC, Actor, ActorKind, Listing, ListingState, Posting
from services.internship.domain.moderation import CompanyStanding, check_edit_allowed, deletion_error
from services.internship.domain.rules import posting_violations
from services.internship.mapping.listings import listing_to_message
from services.internship.peers import CompanyDirectory, require_active_company, require_active_snapshot
from services.internship.repository import listings as store
from services.internship.repository.listing_repository import (
    ListingRepository,
    ListingStep,
    ListingStepWithStanding,
    is_done_by_operation,
    listing_cache_key,
    listing_not_found,
)
from services.internship.service.views import ViewRecorder

PUBLIC_LISTING_TTL_S = 10.0
"""How long a public answer may be served again. What follows from the clock is not in it: that is worked out
for each answer."""


OPERATOR_KINDS = frozenset({"SERVICE", "MODERATOR", "ADMIN"})
"""Kinds of callers who read every listing."""


@dataclass(frozen=True)
class ManageListings:
    """The use cases of listings."""

    ledger: ListingRepository
    companies: CompanyDirectory
    views: ViewRecorder
    places: Gazetteer

    async def create(self, posting: Posting) -> Listing:
        """Drafts a listing in the caller's company.

        Raises INVALID_FIELD, COMPANY_SUSPENDED, UNAVAILABLE.
        """
        if wrong := posting_violations(posting):
            raise invalid_argument(*wrong)
        company = await require_active_company(self.companies, current_principal().org)
        current = current_operation()
        now = current.started_at if current is not None else self.ledger.clock.now()
        listing = Listing(
            id=new_id("int", slot_of(company.id), at=now, seed=current_operation_seed()),
            company=company,
            posting=geocode_posting(posting, self._point_of),
            create_time=now,
            update_time=now,
        )
        return await self._insert(listing)

    async def _insert(self, listing: Listing) -> Listing:
        shard = self.ledger.shards.shard_for(listing.id)

        async def work(transaction: Transaction) -> None:
            if await store.is_deleted_listing(transaction.db, listing.id):
                raise listing_not_found(listing.id)
            await store.insert_listing(transaction.db, listing)
            message = listing_to_message(listing, listing.create_time)
            transaction.emit(events.InternshipCreated(internship=message), subject=listing.id)

        try:
            await shard.run_in_transaction(work)
        except DuplicateKeyError:
            stored = await store.find_listing(shard.db, listing.id)
            if stored is None:
                raise unavailable("the listing") from None
            return stored
        return listing

    async def public(self, listing_id: str) -> bytes:
        """The serialized listing as everybody may read it now; counts a view.

        Raises INTERNSHIP_NOT_FOUND, also for a listing that is not public.
        """
        raw = await self.ledger.cache.read_through(
            listing_cache_key(listing_id), PUBLIC_LISTING_TTL_S, lambda: self._load_public(listing_id)
        )
        if raw is None:
            raise listing_not_found(listing_id)
        self.views.count(listing_id)
        now = self.ledger.clock.now()
        return cached_answers.listing_at(raw, now)

    async def _load_public(self, listing_id: str) -> cached_answers.CachedListing | None:
        listing = await store.find_listing(self.ledger.shards.shard_for(listing_id).db, listing_id)
        if listing is None or listing.state not in PUBLIC:
            return None
        return cached_answers.CachedListing.of(listing, listing_to_message(listing, self.ledger.clock.now()))

    async def read(self, listing_id: str) -> Listing:
        """The listing as it is now, for its company, a service or an operator; for others if it is public.

        Raises INTERNSHIP_NOT_FOUND.
        """
        principal = current_principal()
        listing = await store.find_listing(self.ledger.shards.shard_for(listing_id).db, listing_id)
        if listing is None:
            raise listing_not_found(listing_id)
        if principal.kind in OPERATOR_KINDS or _is_member(principal, listing):
            return listing
        if listing.state not in PUBLIC:
            raise listing_not_found(listing_id)
        self.views.count(listing_id)
        return listing

    async def intakes(self, listing_ids: Sequence[str]) -> FoundByShard[Listing]:
        """Listings as they are now, whatever their state, as far as applying to them goes."""
        return await self.ledger.shards.find_by_ids(
            listing_ids, lambda shard, own: store.find_intakes(shard.db, own)
        )

    async def of_company(
        self, states: Sequence[ListingState], before: str | None, limit: int
    ) -> tuple[list[Listing], bool]:
        """The caller's company's listings older than `before`, newest first; whether there are more."""
        company_id = current_principal().org
        found = await store.list_company_listings(
            self.ledger.shards.shard_for(company_id).db,
            company_id,
            states=states,
            before=before,
            limit=limit + 1,
        )
        return found[:limit], len(found) > limit

    async def update(self, listing_id: str, change: Callable[[Posting], Posting], tag: str) -> Listing:
        """Changes what the listing says. `tag` "" takes whatever version is there.

        Raises INTERNSHIP_NOT_FOUND, STALE_ETAG, INVALID_FIELD, INTERNSHIP_INCOMPLETE, ILLEGAL_TRANSITION,
        COMPANY_NOT_VERIFIED.
        """

        def step(listing: Listing, standing: CompanyStanding, now: datetime) -> Listing:
            posting = geocode_posting(change(listing.posting), self._point_of, listing.posting.locations)
            revised = transitions.revise_posting(listing, posting, now)
            check_edit_allowed(listing, posting, standing)
            return revised if revised is listing else transitions.settle_listing(revised, now)

        return await self.ledger.change_knowing(listing_id, _for_own_listing(tag, step))

    async def publish(self, listing_id: str, tag: str) -> Listing:
        """Opens a draft, or has it reviewed first if its company is not trusted.

        Raises as `transitions.publish`, COMPANY_SUSPENDED, STALE_ETAG.
        """
        page = await require_active_snapshot(self.companies, current_principal().org)
        mover = _calling_actor()

        def step(listing: Listing, standing: CompanyStanding, now: datetime) -> Listing:
            trusted = replace(standing, state=page.state).trusted
            return transitions.publish_listing(
                self._located(listing), page.company, mover, now, trusted=trusted
            )

        return await self.ledger.change_knowing(listing_id, _for_own_listing(tag, step), page.state)

    async def recall(self, listing_id: str, tag: str) -> Listing:
        """Takes a listing back from review. Raises ILLEGAL_TRANSITION, STALE_ETAG."""
        return await self._own_move(
            listing_id, tag, ListingState.DRAFT, only_from=ListingState.PENDING_REVIEW
        )

    async def archive(self, listing_id: str, tag: str) -> Listing:
        """Puts a listing away for good. Raises ILLEGAL_TRANSITION, STALE_ETAG."""
        return await self._own_move(listing_id, tag, ListingState.ARCHIVED)

    async def delete(self, listing_id: str, tag: str) -> None:
        """Deletes a draft that was never published. Raises ILLEGAL_TRANSITION, STALE_ETAG."""
        check = _for_own_listing(tag, lambda listing, _standing, _now: listing)

        async def work(transaction: Transaction) -> bool:
            listing = await self.ledger.read(transaction, listing_id)
            check(listing, CompanyStanding(id=listing.company.id), self.ledger.clock.now())
            if refusal := deletion_error(listing):
                raise refusal
            if not await store.delete_listing(transaction.db, listing):
                raise unavailable("the listing, which somebody else is changing,", 0.1)
            told = events.InternshipDeleted(
                internship_id=listing_id, company_id=listing.company.id, version=listing.version + 1
            )
            transaction.emit(told, subject=listing_id)
            return True

        await self.ledger.run(listing_id, work)

    async def pause(self, listing_id: str, tag: str) -> Listing:
        """Stops intake for a while. Raises ILLEGAL_TRANSITION, STALE_ETAG."""
        return await self._own_move(listing_id, tag, ListingState.PAUSED)

    async def close(self, listing_id: str, tag: str) -> Listing:
        """Ends intake. Raises ILLEGAL_TRANSITION, STALE_ETAG."""
        return await self._own_move(listing_id, tag, ListingState.CLOSED)

    async def reopen(self, listing_id: str, tag: str, renew: Callable[[Posting], Posting]) -> Listing:
        """Takes applications again, with the renewed deadline and openings.

        Raises as `transitions.reopen`, COMPANY_SUSPENDED, STALE_ETAG.
        """
        company = await require_active_company(self.companies, current_principal().org)
        mover = _calling_actor()

        def step(listing: Listing, now: datetime) -> Listing:
            return transitions.reopen_listing(self._located(listing), company, mover, now, renew=renew)

        return await self._own_change(listing_id, tag, step)

    def _located(self, listing: Listing) -> Listing:
        """The listing with what was not looked up when it was saved, as by older versions of the service."""
        return replace(listing, posting=geocode_posting(listing.posting, self._point_of))

    def _point_of(self, city: str, region: str, country: str) -> Coordinates | None:
        found = self.places.locate(city, region, country)
        return None if found is None else (found.lat, found.lng)

    async def _own_move(
        self, listing_id: str, tag: str, target: ListingState, *, only_from: ListingState | None = None
    ) -> Listing:
        mover = _calling_actor()

        def step(listing: Listing, now: datetime) -> Listing:
            if only_from is not None and listing.state is not only_from:
                message = f"A listing that is {listing.state} does not become {target} by this call."
                raise transitions.illegal_move_error(message, listing, target, mover)
            return transitions.move_listing(listing, target, mover, now)

        return await self._own_change(listing_id, tag, step)

    async def _own_change(self, listing_id: str, tag: str, step: ListingStep) -> Listing:
        checked = _for_own_listing(tag, lambda listing, _standing, now: step(listing, now))
        return await self.ledger.change(
            listing_id, lambda listing, now: checked(listing, CompanyStanding(id=listing.company.id), now)
        )


def _for_own_listing(tag: str, step: ListingStepWithStanding) -> ListingStepWithStanding:
    """The step, for a listing of the caller's company at the version of `tag`, once for each operation."""
    principal = current_principal()

    def checked(listing: Listing, standing: CompanyStanding, now: datetime) -> Listing:
        if not _is_member(principal, listing):
            raise listing_not_found(listing.id)
        if is_done_by_operation(listing):
            return listing
        if tag and tag != format_etag(listing.version):
            raise stale_etag("internship", listing.id)
        return step(listing, standing, now)

    return checked


def _is_member(principal: Principal, listing: Listing) -> bool:
    return principal.kind == "COMPANY" and principal.org == listing.company.id


def _calling_actor() -> Actor:
    return Actor(actor=ActorKind.COMPANY, id=current_principal().id)

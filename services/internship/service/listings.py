"""What a company does with its listings, and who may read them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pymongo.errors import DuplicateKeyError

from chassis.caller import Principal, caller, operation, operation_seed
from chassis.errors import invalid, stale_etag, unavailable
from chassis.ids import new_id, slot_of
from chassis.mongo.documents import etag
from chassis.mongo.shards import OfEach
from chassis.mongo.transactions import Transaction
from chassis.search.places import Gazetteer
from internshipconnect.events.v1 import events_pb2 as events
from services.internship import timed
from services.internship.companies import Companies, active_company, active_page
from services.internship.domain import transitions
from services.internship.domain.model import PUBLIC, Actor, Listing, Mover, Posting, State
from services.internship.domain.moderation import Standing, check_edit, not_deletable
from services.internship.domain.places import Point, located
from services.internship.domain.rules import contradictions
from services.internship.store import listings as store
from services.internship.wire import to_message

from .ledger import KnowingStep, Ledger, Step, cache_key, done_before, listing_not_found
from .views import Views

PUBLIC_TTL_S = 10.0
"""How long a public answer may be served again. What follows from the clock is not in it: that is worked out
for each answer."""


OPERATORS = frozenset({"SERVICE", "MODERATOR", "ADMIN"})
"""Kinds of callers who read every listing."""


@dataclass(frozen=True)
class Listings:
    """The use cases of listings."""

    ledger: Ledger
    companies: Companies
    views: Views
    places: Gazetteer

    async def create(self, posting: Posting) -> Listing:
        """Drafts a listing in the caller's company.

        Raises INVALID_FIELD, COMPANY_SUSPENDED, UNAVAILABLE.
        """
        if wrong := contradictions(posting):
            raise invalid(*wrong)
        company = await active_company(self.companies, caller().org)
        current = operation()
        now = current.at if current is not None else self.ledger.clock.now()
        listing = Listing(
            id=new_id("int", slot_of(company.id), at=now, seed=operation_seed()),
            company=company,
            posting=located(posting, self._point_of),
            create_time=now,
            update_time=now,
        )
        return await self._insert(listing)

    async def _insert(self, listing: Listing) -> Listing:
        shard = self.ledger.shards.of(listing.id)

        async def work(transaction: Transaction) -> None:
            if await store.was_deleted(transaction.db, listing.id):
                raise listing_not_found(listing.id)
            await store.insert(transaction.db, listing)
            message = to_message(listing, listing.create_time)
            transaction.emit(events.InternshipCreated(internship=message), subject=listing.id)

        try:
            await shard.in_transaction(work)
        except DuplicateKeyError:
            stored = await store.find(shard.db, listing.id)
            if stored is None:
                raise unavailable("the listing") from None
            return stored
        return listing

    async def public(self, listing_id: str) -> bytes:
        """The serialized listing as everybody may read it now; counts a view.

        Raises INTERNSHIP_NOT_FOUND, also for a listing that is not public.
        """
        raw = await self.ledger.cache.read_through(
            cache_key(listing_id), PUBLIC_TTL_S, lambda: self._load_public(listing_id)
        )
        if raw is None:
            raise listing_not_found(listing_id)
        self.views.count(listing_id)
        now = self.ledger.clock.now()
        return timed.answer(raw, now)

    async def _load_public(self, listing_id: str) -> timed.Timed | None:
        listing = await store.find(self.ledger.shards.of(listing_id).db, listing_id)
        if listing is None or listing.state not in PUBLIC:
            return None
        return timed.Timed.of(listing, to_message(listing, self.ledger.clock.now()))

    async def read(self, listing_id: str) -> Listing:
        """The listing as it is now, for its company, a service or an operator; for others if it is public.

        Raises INTERNSHIP_NOT_FOUND.
        """
        principal = caller()
        listing = await store.find(self.ledger.shards.of(listing_id).db, listing_id)
        if listing is None:
            raise listing_not_found(listing_id)
        if principal.kind in OPERATORS or _is_member(principal, listing):
            return listing
        if listing.state not in PUBLIC:
            raise listing_not_found(listing_id)
        self.views.count(listing_id)
        return listing

    async def intakes(self, listing_ids: Sequence[str]) -> OfEach[Listing]:
        """Listings as they are now, whatever their state, as far as applying to them goes."""
        return await self.ledger.shards.of_each(
            listing_ids, lambda shard, own: store.find_without_texts(shard.db, own)
        )

    async def of_company(
        self, states: Sequence[State], before: str | None, limit: int
    ) -> tuple[list[Listing], bool]:
        """The caller's company's listings older than `before`, newest first; whether there are more."""
        company_id = caller().org
        found = await store.page_of_company(
            self.ledger.shards.of(company_id).db, company_id, states=states, before=before, limit=limit + 1
        )
        return found[:limit], len(found) > limit

    async def update(self, listing_id: str, change: Callable[[Posting], Posting], tag: str) -> Listing:
        """Changes what the listing says. `tag` "" takes whatever version is there.

        Raises INTERNSHIP_NOT_FOUND, STALE_ETAG, INVALID_FIELD, INTERNSHIP_INCOMPLETE, ILLEGAL_TRANSITION,
        COMPANY_NOT_VERIFIED.
        """

        def step(listing: Listing, standing: Standing, now: datetime) -> Listing:
            posting = located(change(listing.posting), self._point_of, listing.posting.locations)
            revised = transitions.revise(listing, posting, now)
            check_edit(listing, posting, standing)
            return revised if revised is listing else transitions.settle(revised, now)

        return await self.ledger.change_knowing(listing_id, _own(tag, step))

    async def publish(self, listing_id: str, tag: str) -> Listing:
        """Opens a draft, or has it reviewed first if its company is not trusted.

        Raises as `transitions.publish`, COMPANY_SUSPENDED, STALE_ETAG.
        """
        page = await active_page(self.companies, caller().org)
        mover = _mover()

        def step(listing: Listing, standing: Standing, now: datetime) -> Listing:
            trusted = replace(standing, state=page.state).trusted
            return transitions.publish(self._located(listing), page.company, mover, now, trusted=trusted)

        return await self.ledger.change_knowing(listing_id, _own(tag, step), page.state)

    async def recall(self, listing_id: str, tag: str) -> Listing:
        """Takes a listing back from review. Raises ILLEGAL_TRANSITION, STALE_ETAG."""
        return await self._own_move(listing_id, tag, State.DRAFT, only_from=State.PENDING_REVIEW)

    async def archive(self, listing_id: str, tag: str) -> Listing:
        """Puts a listing away for good. Raises ILLEGAL_TRANSITION, STALE_ETAG."""
        return await self._own_move(listing_id, tag, State.ARCHIVED)

    async def delete(self, listing_id: str, tag: str) -> None:
        """Deletes a draft that was never published. Raises ILLEGAL_TRANSITION, STALE_ETAG."""
        check = _own(tag, lambda listing, _standing, _now: listing)

        async def work(transaction: Transaction) -> bool:
            listing = await self.ledger.read(transaction, listing_id)
            check(listing, Standing(id=listing.company.id), self.ledger.clock.now())
            if refusal := not_deletable(listing):
                raise refusal
            if not await store.delete(transaction.db, listing):
                raise unavailable("the listing, which somebody else is changing,", 0.1)
            told = events.InternshipDeleted(
                internship_id=listing_id, company_id=listing.company.id, version=listing.version + 1
            )
            transaction.emit(told, subject=listing_id)
            return True

        await self.ledger.run(listing_id, work)

    async def pause(self, listing_id: str, tag: str) -> Listing:
        """Stops intake for a while. Raises ILLEGAL_TRANSITION, STALE_ETAG."""
        return await self._own_move(listing_id, tag, State.PAUSED)

    async def close(self, listing_id: str, tag: str) -> Listing:
        """Ends intake. Raises ILLEGAL_TRANSITION, STALE_ETAG."""
        return await self._own_move(listing_id, tag, State.CLOSED)

    async def reopen(self, listing_id: str, tag: str, renew: Callable[[Posting], Posting]) -> Listing:
        """Takes applications again, with the renewed deadline and openings.

        Raises as `transitions.reopen`, COMPANY_SUSPENDED, STALE_ETAG.
        """
        company = await active_company(self.companies, caller().org)
        mover = _mover()

        def step(listing: Listing, now: datetime) -> Listing:
            return transitions.reopen(self._located(listing), company, mover, now, renew=renew)

        return await self._own_change(listing_id, tag, step)

    def _located(self, listing: Listing) -> Listing:
        """The listing with what was not looked up when it was saved, as by older versions of the service."""
        return replace(listing, posting=located(listing.posting, self._point_of))

    def _point_of(self, city: str, region: str, country: str) -> Point | None:
        found = self.places.locate(city, region, country)
        return None if found is None else (found.lat, found.lng)

    async def _own_move(
        self, listing_id: str, tag: str, target: State, *, only_from: State | None = None
    ) -> Listing:
        mover = _mover()

        def step(listing: Listing, now: datetime) -> Listing:
            if only_from is not None and listing.state is not only_from:
                message = f"A listing that is {listing.state} does not become {target} by this call."
                raise transitions.refused_move(message, listing, target, mover)
            return transitions.move(listing, target, mover, now)

        return await self._own_change(listing_id, tag, step)

    async def _own_change(self, listing_id: str, tag: str, step: Step) -> Listing:
        checked = _own(tag, lambda listing, _standing, now: step(listing, now))
        return await self.ledger.change(
            listing_id, lambda listing, now: checked(listing, Standing(id=listing.company.id), now)
        )


def _own(tag: str, step: KnowingStep) -> KnowingStep:
    """The step, for a listing of the caller's company at the version of `tag`, once for each operation."""
    principal = caller()

    def checked(listing: Listing, standing: Standing, now: datetime) -> Listing:
        if not _is_member(principal, listing):
            raise listing_not_found(listing.id)
        if done_before(listing):
            return listing
        if tag and tag != etag(listing.version):
            raise stale_etag("internship", listing.id)
        return step(listing, standing, now)

    return checked


def _is_member(principal: Principal, listing: Listing) -> bool:
    return principal.kind == "COMPANY" and principal.org == listing.company.id


def _mover() -> Mover:
    return Mover(actor=Actor.COMPANY, id=caller().id)

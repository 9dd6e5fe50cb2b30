"""What moderators do: look at what waits, decide, and what follows for a suspended company's listings."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chassis.errors import stale_etag, unavailable
from chassis.messaging import IncomingEvent
from chassis.mongo.documents import format_etag
from chassis.sharding.shard import Shard
from chassis.sharding.transactions import Transaction
from services.internship.domain import moderation
from services.internship.domain.flags import ModerationFlag, moderation_flags
from services.internship.domain.model import (
    SYSTEM_ACTOR,
    Actor,
    ActorKind,
    Listing,
    ListingState,
    ModerationDecision,
)
from services.internship.domain.moderation import CompanyStanding
from services.internship.domain.transitions import can_move, move_listing
from services.internship.repository import company_standings
from services.internship.repository import listings as store
from services.internship.repository.listing_repository import (
    ListingRepository,
    ListingStep,
    listing_not_found,
)

LIST_TIMEOUT_S = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModerationCase:
    """A listing as a moderator sees it."""

    listing: Listing
    flags: tuple[ModerationFlag, ...]
    standing: CompanyStanding


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanyStateUpdate:
    """The news that a moderator has put a company into a state; `version` counts the company's changes."""

    company_id: str
    state: str
    version: int
    moderator: str
    reason: str


@dataclass(frozen=True)
class ModerateListings:
    """The use cases of moderators."""

    ledger: ListingRepository

    async def waiting(self, state: ListingState, limit: int) -> tuple[list[ModerationCase], Sequence[str]]:
        """The listings in a state, the longest waiting first; and the shards that did not answer."""

        async def on_shard(shard: Shard) -> list[ModerationCase]:
            found = await store.list_in_state(shard.db, state, limit)
            return [
                _build_case(each, await company_standings.find_company_standing(shard.db, each.company.id))
                for each in found
            ]

        scatter = await self.ledger.shards.scatter(on_shard, LIST_TIMEOUT_S)
        if not scatter.results:
            raise unavailable("The list of listings")
        cases = [case for part in scatter.results for case in part]
        return sorted(cases, key=lambda case: case.listing.update_time)[:limit], scatter.missing_shards

    async def case(self, listing_id: str) -> ModerationCase:
        """One listing, whatever its state. Raises INTERNSHIP_NOT_FOUND."""
        db = self.ledger.shards.shard_for(listing_id).db
        listing = await store.find_listing(db, listing_id)
        if listing is None:
            raise listing_not_found(listing_id)
        return _build_case(listing, await company_standings.find_company_standing(db, listing.company.id))

    async def decide(
        self, listing_id: str, decision: ModerationDecision, tag: str, moderator: str, reason: str
    ) -> ModerationCase:
        """Carries out a decision on the version of `tag`; an approval makes the company trusted with it.

        Raises INTERNSHIP_NOT_FOUND, STALE_ETAG, ILLEGAL_TRANSITION, INTERNSHIP_INCOMPLETE.
        """
        mover = Actor(actor=ActorKind.MODERATOR, id=moderator)

        async def work(transaction: Transaction) -> ModerationCase:
            old = await self.ledger.read(transaction, listing_id)
            if tag != format_etag(old.version):
                raise stale_etag("internship", listing_id)
            now = self.ledger.clock.now()
            new = moderation.apply_decision(old, decision, mover, now, reason)
            standing = await company_standings.find_company_standing(transaction.db, old.company.id)
            if decision is ModerationDecision.APPROVE:
                standing = standing.approved(listing_id)
                await company_standings.put_company_standing(transaction.db, standing)
            await self.ledger.write(transaction, old, new, now)
            return _build_case(new, standing)

        case = await self.ledger.run(listing_id, work)
        if case is None:
            raise unavailable("the listing")
        return case

    async def company_moved(self, news: CompanyStateUpdate, handling: IncomingEvent) -> None:
        """Follows a company's state: a suspended one's open listings are suspended with it, until it is not.

        The listings come first, one by one, which is repeatable; with the standing the event is handled.
        """
        company_id = news.company_id
        known = await company_standings.find_company_standing(
            self.ledger.shards.shard_for(company_id).db, company_id
        )
        if news.version > known.version:
            mover = Actor(actor=ActorKind.MODERATOR, id=news.moderator)
            follow = self._suspend if news.state == moderation.SUSPENDED else self._reinstate
            await follow(company_id, mover, news.reason)

        async def work(transaction: Transaction) -> None:
            standing = await company_standings.find_company_standing(transaction.db, company_id)
            await company_standings.put_company_standing(
                transaction.db, standing.heard(news.state, news.version)
            )

        await self.ledger.run(company_id, work, handling=handling)

    async def archive_forgotten(self, grace: timedelta) -> None:
        """Archives what was suspended so long ago that nobody is going to reinstate it."""

        async def on_shard(shard: Shard) -> int:
            before = self.ledger.clock.now() - grace
            due = await store.list_ids_unchanged_since(shard.db, ListingState.SUSPENDED, before, 200)
            for listing_id in due:
                await self.ledger.change(
                    listing_id, lambda listing, now: _archive_if_forgotten(listing, now, grace)
                )
            return len(due)

        await self.ledger.shards.scatter(on_shard, 60.0)

    async def _suspend(self, company_id: str, mover: Actor, reason: str) -> None:
        def step(listing: Listing, now: datetime) -> Listing:
            if not can_move(listing, ListingState.SUSPENDED, mover, now):
                return listing
            return move_listing(listing, ListingState.SUSPENDED, mover, now, reason, of_company=True)

        await self._each(company_id, ListingState.OPEN, step)

    async def _reinstate(self, company_id: str, mover: Actor, reason: str) -> None:
        def step(listing: Listing, now: datetime) -> Listing:
            by_company = bool(listing.history) and listing.history[-1].of_company
            if not by_company or not can_move(listing, ListingState.OPEN, mover, now):
                return listing
            return move_listing(listing, ListingState.OPEN, mover, now, reason, of_company=True)

        await self._each(company_id, ListingState.SUSPENDED, step)

    async def _each(self, company_id: str, state: ListingState, step: ListingStep) -> None:
        for listing_id in await store.list_company_ids_in_state(
            self.ledger.shards.shard_for(company_id).db, company_id, state
        ):
            await self.ledger.change(listing_id, step)


def _build_case(listing: Listing, standing: CompanyStanding) -> ModerationCase:
    return ModerationCase(listing=listing, flags=moderation_flags(listing.posting), standing=standing)


def _archive_if_forgotten(listing: Listing, now: datetime, grace: timedelta) -> Listing:
    if listing.state is not ListingState.SUSPENDED or listing.update_time > now - grace:
        return listing
    return move_listing(
        listing, ListingState.ARCHIVED, SYSTEM_ACTOR, now, "It stayed suspended for too long."
    )

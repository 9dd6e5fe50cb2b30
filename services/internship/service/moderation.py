"""What moderators do: look at what waits, decide, and what follows for a suspended company's listings."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chassis.errors import stale_etag, unavailable
from chassis.messaging import Incoming
from chassis.mongo.documents import etag
from chassis.mongo.shards import Shard
from chassis.mongo.transactions import Transaction
from services.internship.domain import moderation
from services.internship.domain.flags import Flag, flags_of
from services.internship.domain.model import SYSTEM, Actor, Decision, Listing, Mover, State
from services.internship.domain.moderation import Standing
from services.internship.domain.transitions import can_move, move
from services.internship.store import listings as store
from services.internship.store import standings

from .ledger import Ledger, Step, listing_not_found

LIST_TIMEOUT_S = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A listing as a moderator sees it."""

    listing: Listing
    flags: tuple[Flag, ...]
    standing: Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The news that a moderator has put a company into a state; `version` counts the company's changes."""

    company_id: str
    state: str
    version: int
    moderator: str
    reason: str


@dataclass(frozen=True)
class Moderation:
    """The use cases of moderators."""

    ledger: Ledger

    async def waiting(self, state: State, limit: int) -> tuple[list[Case], Sequence[str]]:
        """The listings in a state, the longest waiting first; and the shards that did not answer."""

        async def on_shard(shard: Shard) -> list[Case]:
            found = await store.in_state(shard.db, state, limit)
            return [_case(each, await standings.find(shard.db, each.company.id)) for each in found]

        scatter = await self.ledger.shards.scatter(on_shard, LIST_TIMEOUT_S)
        if not scatter.results:
            raise unavailable("The list of listings")
        cases = [case for part in scatter.results for case in part]
        return sorted(cases, key=lambda case: case.listing.update_time)[:limit], scatter.missing

    async def case(self, listing_id: str) -> Case:
        """One listing, whatever its state. Raises INTERNSHIP_NOT_FOUND."""
        db = self.ledger.shards.of(listing_id).db
        listing = await store.find(db, listing_id)
        if listing is None:
            raise listing_not_found(listing_id)
        return _case(listing, await standings.find(db, listing.company.id))

    async def decide(
        self, listing_id: str, decision: Decision, tag: str, moderator: str, reason: str
    ) -> Case:
        """Carries out a decision on the version of `tag`; an approval makes the company trusted with it.

        Raises INTERNSHIP_NOT_FOUND, STALE_ETAG, ILLEGAL_TRANSITION, INTERNSHIP_INCOMPLETE.
        """
        mover = Mover(actor=Actor.MODERATOR, id=moderator)

        async def work(transaction: Transaction) -> Case:
            old = await self.ledger.read(transaction, listing_id)
            if tag != etag(old.version):
                raise stale_etag("internship", listing_id)
            now = self.ledger.clock.now()
            new = moderation.decide(old, decision, mover, now, reason)
            standing = await standings.find(transaction.db, old.company.id)
            if decision is Decision.APPROVE:
                standing = standing.approved(listing_id)
                await standings.put(transaction.db, standing)
            await self.ledger.write(transaction, old, new, now)
            return _case(new, standing)

        case = await self.ledger.run(listing_id, work)
        if case is None:
            raise unavailable("the listing")
        return case

    async def company_moved(self, news: Judged, handling: Incoming) -> None:
        """Follows a company's state: a suspended one's open listings are suspended with it, until it is not.

        The listings come first, one by one, which is repeatable; with the standing the event is handled.
        """
        company_id = news.company_id
        known = await standings.find(self.ledger.shards.of(company_id).db, company_id)
        if news.version > known.version:
            mover = Mover(actor=Actor.MODERATOR, id=news.moderator)
            follow = self._suspend if news.state == moderation.SUSPENDED else self._reinstate
            await follow(company_id, mover, news.reason)

        async def work(transaction: Transaction) -> None:
            standing = await standings.find(transaction.db, company_id)
            await standings.put(transaction.db, standing.heard(news.state, news.version))

        await self.ledger.run(company_id, work, handling=handling)

    async def archive_forgotten(self, grace: timedelta) -> None:
        """Archives what was suspended so long ago that nobody is going to reinstate it."""

        async def on_shard(shard: Shard) -> int:
            before = self.ledger.clock.now() - grace
            due = await store.unchanged_since(shard.db, State.SUSPENDED, before, 200)
            for listing_id in due:
                await self.ledger.change(listing_id, lambda listing, now: _given_up(listing, now, grace))
            return len(due)

        await self.ledger.shards.scatter(on_shard, 60.0)

    async def _suspend(self, company_id: str, mover: Mover, reason: str) -> None:
        def step(listing: Listing, now: datetime) -> Listing:
            if not can_move(listing, State.SUSPENDED, mover, now):
                return listing
            return move(listing, State.SUSPENDED, mover, now, reason, of_company=True)

        await self._each(company_id, State.OPEN, step)

    async def _reinstate(self, company_id: str, mover: Mover, reason: str) -> None:
        def step(listing: Listing, now: datetime) -> Listing:
            by_company = bool(listing.history) and listing.history[-1].of_company
            if not by_company or not can_move(listing, State.OPEN, mover, now):
                return listing
            return move(listing, State.OPEN, mover, now, reason, of_company=True)

        await self._each(company_id, State.SUSPENDED, step)

    async def _each(self, company_id: str, state: State, step: Step) -> None:
        for listing_id in await store.of_company_in_state(
            self.ledger.shards.of(company_id).db, company_id, state
        ):
            await self.ledger.change(listing_id, step)


def _case(listing: Listing, standing: Standing) -> Case:
    return Case(listing=listing, flags=flags_of(listing.posting), standing=standing)


def _given_up(listing: Listing, now: datetime, grace: timedelta) -> Listing:
    if listing.state is not State.SUSPENDED or listing.update_time > now - grace:
        return listing
    return move(listing, State.ARCHIVED, SYSTEM, now, "It stayed suspended for too long.")

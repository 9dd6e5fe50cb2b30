"""One way to change a listing: read it, let the rules decide, store it with its events, all or nothing."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from chassis.cache import Cache
from chassis.call_context import current_operation
from chassis.clock import Clock
from chassis.concurrency.keyed_lock import KeyedLock
from chassis.errors import not_found, unavailable
from chassis.ids import slot_of
from chassis.messaging import IncomingEvent
from chassis.sharding.shards import Shards
from chassis.sharding.transactions import Transaction
from internshipconnect.events.v1 import events_pb2 as events
from services.internship.domain.model import MAX_REMEMBERED_OPERATIONS, Listing
from services.internship.domain.moderation import CompanyStanding
from services.internship.mapping.listings import LISTING_STATES, listing_to_message
from services.internship.repository import company_standings
from services.internship.repository import listings as store

T = TypeVar("T")
ListingStep = Callable[[Listing, datetime], Listing]
ListingStepWithStanding = Callable[[Listing, CompanyStanding, datetime], Listing]
"""A step that needs to know how far the listing's company is trusted."""


def listing_not_found(listing_id: str) -> Exception:
    """Missing and hidden look alike."""
    return not_found("INTERNSHIP_NOT_FOUND", "internship", listing_id)


def listing_cache_key(listing_id: str) -> str:
    """Under which the public answer is cached."""
    return f"listing:{listing_id}"


@dataclass(frozen=True)
class ListingRepository:
    """Changes listings on their shards, one change of a listing after the other within this process.

    Transactions that meet on one document cost each other retries, most of all when many are hired at once;
    waiting for a turn is cheaper. Between processes the transactions decide.
    """

    shards: Shards
    cache: Cache
    clock: Clock
    _turns: KeyedLock = field(default_factory=KeyedLock, init=False)

    async def change(self, listing_id: str, step: ListingStep) -> Listing:
        """Applies `step` to the listing; a step that gives the same listing changes nothing.

        Raises INTERNSHIP_NOT_FOUND, UNAVAILABLE, and what `step` raises.
        """

        async def work(transaction: Transaction) -> Listing:
            old = await self.read(transaction, listing_id)
            now = self.clock.now()
            new = step(old, now)
            await self.write(transaction, old, new, now)
            return new

        changed = await self.run(listing_id, work)
        if changed is None:
            raise unavailable("the listing")
        return changed

    async def change_knowing(
        self, listing_id: str, step: ListingStepWithStanding, company_state: str = ""
    ) -> Listing:
        """The same with a step that knows the company's standing, as it is in the same moment.

        `company_state` is what the company's page says; it counts until the first news of that is here.
        """

        async def work(transaction: Transaction) -> Listing:
            old = await self.read(transaction, listing_id)
            known = await company_standings.find_company_standing(transaction.db, old.company.id)
            standing = known.seen(company_state)
            if standing != known:
                await company_standings.put_company_standing(transaction.db, standing)
            now = self.clock.now()
            new = step(old, standing, now)
            await self.write(transaction, old, new, now)
            return new

        changed = await self.run(listing_id, work)
        if changed is None:
            raise unavailable("the listing")
        return changed

    async def run(
        self,
        listing_id: str,
        work: Callable[[Transaction], Awaitable[T]],
        *,
        handling: IncomingEvent | None = None,
    ) -> T | None:
        """Runs `work` in a transaction on the listing's shard when its turn comes; see `in_transaction`."""
        async with self._turns.hold(listing_id):
            result = await self.shards.shard_for(listing_id).run_in_transaction(
                work, event=handling, slot=slot_of(listing_id)
            )
        await self.cache.invalidate(listing_cache_key(listing_id))
        return result

    async def read(self, transaction: Transaction, listing_id: str) -> Listing:
        """The listing, within a transaction. Raises INTERNSHIP_NOT_FOUND."""
        listing = await store.find_listing(transaction.db, listing_id)
        if listing is None:
            raise listing_not_found(listing_id)
        return listing

    async def write(self, transaction: Transaction, old: Listing, new: Listing, now: datetime) -> None:
        """Stores a changed listing and tells of it. Raises UNAVAILABLE when `old` is no longer current."""
        if new is old:
            return
        if not await store.replace_listing(transaction.db, old, _with_operation(new)):
            raise unavailable("the listing, which somebody else is changing,", 0.1)
        emit_listing_events(transaction, old, new, now)


def _with_operation(listing: Listing) -> Listing:
    current = current_operation()
    if current is None:
        return listing
    return replace(listing, operations=(*listing.operations, current.id)[-MAX_REMEMBERED_OPERATIONS:])


def is_done_by_operation(listing: Listing) -> bool:
    """Whether this very operation has changed the listing already, in a run that did not finish."""
    current = current_operation()
    return current is not None and current.id in listing.operations


def emit_listing_events(transaction: Transaction, old: Listing, new: Listing, now: datetime) -> None:
    """Emits what happened between two versions: another text, another state, or both."""
    message = listing_to_message(new, now)
    if (new.posting, new.company) != (old.posting, old.company):
        transaction.emit(events.InternshipUpdated(internship=message), subject=new.id)
    if new.state is not old.state:
        moved = events.InternshipStateChanged(
            internship=message,
            to=LISTING_STATES[new.state],
            reason=new.history[-1].reason,
            **{"from": LISTING_STATES[old.state]},
        )
        transaction.emit(moved, subject=new.id)


def last_state_event(listing: Listing, now: datetime) -> tuple[events.InternshipStateChanged, datetime]:
    """What was told last of the listing's state, and when; of a draft that never moved, that it is one."""
    last = listing.history[-1] if listing.history else None
    version, time = (last.version, last.time) if last else (1, listing.create_time)
    message = listing_to_message(replace(listing, version=version), now)
    return events.InternshipStateChanged(internship=message, to=LISTING_STATES[listing.state]), time

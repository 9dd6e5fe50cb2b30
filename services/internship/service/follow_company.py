"""The use cases that apply a company's changes to its listings: its name, and its suspension."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from chassis.messaging import IncomingEvent
from services.internship.domain.model import Actor, ActorKind, Listing, ListingState
from services.internship.domain.moderation import CompanyTrustState
from services.internship.domain.transitions import can_move, move_listing, rename_company
from services.internship.repository.listings import DecideListing, ListingRepository
from services.internship.service.companies import CompanyDirectory

BATCH_SIZE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanyStateUpdate:
    """A moderator has put a company into a state; `version` counts the company's changes."""

    company_id: str
    state: str
    version: int
    moderator: str
    reason: str


@dataclass(frozen=True)
class FollowCompany:
    """Applies changes of a company to all its listings."""

    listings: ListingRepository
    companies: CompanyDirectory

    async def follow_company_name(self, company_id: str) -> None:
        """Update the company's name in all of its listings.

        The name is looked up instead of taken from the event, as events may overtake each other. Raises
        COMPANY_NOT_FOUND, UNAVAILABLE.
        """
        company = (await self.companies.get_company(company_id)).company

        def decide(listing: Listing, now: datetime) -> Listing:
            return rename_company(listing, company, now)

        while outdated := await self.listings.list_ids_naming_otherwise(company, BATCH_SIZE):
            for listing_id in outdated:
                await self.listings.update_listing(listing_id, decide)

    async def follow_company_state(self, update: CompanyStateUpdate, handling: IncomingEvent) -> None:
        """Suspend the open listings of a suspended company; reinstate them when it is no longer suspended.

        The listings are changed first, one by one, which is repeatable; the event counts as handled with the
        standing.
        """
        known = await self.listings.get_standing(update.company_id)
        if update.version > known.version:
            actor = Actor(kind=ActorKind.MODERATOR, id=update.moderator)
            if update.state == CompanyTrustState.SUSPENDED:
                await self._update_each(update, ListingState.OPEN, _suspend(actor, update.reason))
            else:
                await self._update_each(update, ListingState.SUSPENDED, _reinstate(actor, update.reason))
        await self.listings.update_standing(
            update.company_id,
            lambda standing: standing.with_state(update.state, update.version),
            handling=handling,
        )

    async def _update_each(
        self, update: CompanyStateUpdate, state: ListingState, decide: DecideListing
    ) -> None:
        for listing_id in await self.listings.list_company_ids_in_state(update.company_id, state):
            await self.listings.update_listing(listing_id, decide)


def _suspend(actor: Actor, reason: str) -> Callable[[Listing, datetime], Listing]:
    def decide(listing: Listing, now: datetime) -> Listing:
        if not can_move(listing, ListingState.SUSPENDED, actor, now):
            return listing
        return move_listing(listing, ListingState.SUSPENDED, actor, now, reason, of_company=True)

    return decide


def _reinstate(actor: Actor, reason: str) -> Callable[[Listing, datetime], Listing]:
    def decide(listing: Listing, now: datetime) -> Listing:
        by_company = bool(listing.history) and listing.history[-1].of_company
        if not by_company or not can_move(listing, ListingState.OPEN, actor, now):
            return listing
        return move_listing(listing, ListingState.OPEN, actor, now, reason, of_company=True)

    return decide

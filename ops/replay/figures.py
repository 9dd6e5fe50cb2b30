"""The figures of analytics, recounted from the applications and listings of the other services.

Services know each other by their events only, so each source repeats its past events, and analytics handles
them as it handles events.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from chassis.clock import Clock
from chassis.sharding.reconciler import ReconcileProgress
from chassis.sharding.shards import Shards
from services.analytics.domain.figures import ApplicationEvent, ListingEvent
from services.analytics.mapping import application_event_from_message, listing_event_from_message
from services.analytics.rebuild import FigureRebuilder
from services.analytics.repository import APPLICATION_TRACKS, FUNNELS, FigureRepository
from services.application.domain.events import replay_events
from services.application.domain.model import Application
from services.application.mapping import replayed_event_message
from services.application.repository import ApplicationRepository
from services.internship.domain.events import last_state_change
from services.internship.domain.model import Listing
from services.internship.mapping.events import state_change_message
from services.internship.repository.listings import ListingRepository


class FigureSources:
    """The data of the other services, as the events that analytics would have received."""

    def __init__(self, applications: Shards, listings: Shards, clock: Clock) -> None:
        self.applications = ApplicationRepository(applications)
        self.listings = ListingRepository(listings, clock)
        self.clock = clock

    def application_events(self, application: Application) -> list[ApplicationEvent]:
        """Return all events of an application."""
        return [
            application_event_from_message(replayed_event_message(event), time)
            for event, time in replay_events(application)
        ]

    def listing_event(self, listing: Listing) -> ListingEvent:
        """Return the last event of a listing's state."""
        change, time = last_state_change(listing)
        message = state_change_message(change, self.clock.now())
        return listing_event_from_message(message.internship, time)

    async def current_application_events(self, application_id: str) -> list[ApplicationEvent] | None:
        """Return all events of an application until now; None when it does not exist."""
        application = await self.applications.get(application_id)
        return None if application is None else self.application_events(application)

    async def current_listing_event(self, listing_id: str) -> ListingEvent | None:
        """Return the last event of a listing until now; None when it does not exist."""
        listing = await self.listings.get(listing_id)
        return None if listing is None else self.listing_event(listing)

    async def existing_applications(self, ids: Sequence[str]) -> set[str]:
        """Return those of these applications that exist."""
        return await self.applications.existing_ids(ids)

    async def existing_listings(self, ids: Sequence[str]) -> set[str]:
        """Return those of these listings that exist."""
        return await self.listings.existing_ids(ids)


@dataclass
class FiguresReplay:
    """One run: tracks of applications, then figures of listings, then those of companies."""

    sources: FigureSources
    analytics: Shards
    progress: ReconcileProgress
    write: bool = True
    _touched: set[str] = field(default_factory=set, init=False)
    _counted: set[str] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self._figures = FigureRepository(self.analytics)
        self._rebuilder = FigureRebuilder(
            self._figures,
            self.sources.current_application_events,
            self.sources.current_listing_event,
            write=self.write,
        )

    async def replay(self, since: datetime | None) -> None:
        """Rebuild everything, or with `since` what depends on applications and listings changed since."""
        await self._applications(since)
        if since is None:
            await self._remove_orphans(APPLICATION_TRACKS)
            await self._remove_orphans(FUNNELS)
        await self._companies(await self._listings(since))
        if since is None:
            async for company_ids in self._figures.iterate_company_ids():
                await self._companies(company_ids)

    async def _applications(self, since: datetime | None) -> None:
        async for page in self.sources.applications.iterate_without_profiles():
            changed = [each for each in page if since is None or each.update_time >= since]
            if since is not None:
                self._touched.update(each.internship_id for each in changed)
            wrong = await self._rebuilder.rebuild_tracks(
                [self.sources.application_events(each) for each in changed]
            )
            self.progress("applications", len(changed), wrong)

    async def _listings(self, since: datetime | None) -> list[str]:
        """Recount listings; return the IDs of their companies."""
        companies: dict[str, None] = {}
        async for page in self.sources.listings.iterate_pages():
            for listing in page:
                if since is None or listing.update_time >= since or listing.id in self._touched:
                    companies[listing.company.id] = None
                    event = self.sources.listing_event(listing)
                    wrong = await self._rebuilder.rebuild_listing(event, self.sources.clock.now())
                    self.progress("listings", 1, int(wrong))
        return list(companies)

    async def _companies(self, company_ids: Iterable[str]) -> None:
        for company_id in company_ids:
            if company_id in self._counted:
                continue
            self._counted.add(company_id)
            wrong = await self._rebuilder.rebuild_company(company_id, self.sources.clock.now())
            self.progress("companies", 1, int(wrong))

    async def _remove_orphans(self, collection: str) -> None:
        applications = collection == APPLICATION_TRACKS
        known = self.sources.existing_applications if applications else self.sources.existing_listings
        async for seen, removed in self._rebuilder.remove_orphans(collection, known):
            self.progress("tracks" if applications else "funnels", seen, removed)

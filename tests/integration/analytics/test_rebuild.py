"""Figures, damaged and counted again while events go on being counted."""

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from chassis.ids import new_id, slot_of
from chassis.messaging import IncomingEvent, ReceivedEvent
from chassis.sharding.shards import Shards
from internshipconnect.events.v1 import events_pb2 as events
from services.analytics.domain.figures import ApplicationEvent, ListingEvent
from services.analytics.event_handlers import AnalyticsEventHandlers
from services.analytics.mapping import application_event_from_message, listing_event_from_message
from services.analytics.rebuild import FigureRebuilder
from services.analytics.repository import APPLICATION_TRACKS, FUNNELS, OVERVIEWS, FigureRepository
from tests.integration.analytics.test_figures import START, CompanyScenario, TimedEvent

NOW = datetime(2026, 4, 1, tzinfo=UTC)


class StoredSources:
    """The data of other services: all companies' events, whether counted yet or not."""

    def __init__(self, *companies: CompanyScenario) -> None:
        published = [each for company in companies for each in company.events]
        self.histories: dict[str, list[ApplicationEvent]] = {}
        self.listings: dict[str, ListingEvent] = {}
        for each in published:
            if isinstance(each.message, events.ApplicationSubmitted | events.ApplicationMoved):
                self.histories.setdefault(each.subject, []).append(
                    application_event_from_message(each.message, each.time)
                )
            elif isinstance(each.message, events.InternshipCreated | events.InternshipStateChanged):
                self.listings[each.subject] = listing_event_from_message(each.message.internship, each.time)

    async def history(self, application_id: str) -> list[ApplicationEvent] | None:
        return self.histories.get(application_id)

    async def listing(self, listing_id: str) -> ListingEvent | None:
        return self.listings.get(listing_id)

    async def known_applications(self, ids: Sequence[str]) -> set[str]:
        return self.histories.keys() & ids

    async def rebuild(self, shards: Shards, *, write: bool = True) -> list[int]:
        """Return the numbers of repaired tracks, orphans, listings and companies."""
        rebuilder = FigureRebuilder(FigureRepository(shards), self.history, self.listing, write=write)
        tracks = await rebuilder.rebuild_tracks(list(self.histories.values()))
        pages = rebuilder.remove_orphans(APPLICATION_TRACKS, self.known_applications)
        orphans = sum([removed async for _, removed in pages])
        listings = [await rebuilder.rebuild_listing(each, NOW) for each in self.listings.values()]
        companies = {each.company_id for each in self.listings.values()}
        overviews = [await rebuilder.rebuild_company(each, NOW) for each in companies]
        return [tracks, orphans, sum(listings), sum(overviews)]


async def counted(shards: Shards, published: Sequence[TimedEvent]) -> None:
    """Handle events as several workers do: in batches, many at once."""
    (subscription,) = AnalyticsEventHandlers(FigureRepository(shards)).subscriptions()

    def received(each: TimedEvent) -> ReceivedEvent:
        incoming = IncomingEvent(new_id("evt"), "", "test", each.subject, each.time, "", subscription.queue)
        return ReceivedEvent(each.message, incoming)

    batches = [published[start : start + 3] for start in range(0, len(published), 3)]
    await asyncio.gather(*(subscription.handle([received(each) for each in batch]) for batch in batches))


async def figures(shards: Shards) -> dict[str, Any]:
    """Return all figures that are not 0, by subject."""
    found: dict[str, Any] = {}
    for shard in shards.all_shards():
        for collection in (FUNNELS, OVERVIEWS):
            async for row in shard.db[collection].find():
                del row["as_of_time"]
                found[row["_id"]] = _without_zeros(row)
    return found


def _without_zeros(figures: dict[str, Any]) -> dict[str, Any]:
    plain = {name: _without_zeros(each) if isinstance(each, dict) else each for name, each in figures.items()}
    return {name: each for name, each in plain.items() if each}


def acme() -> tuple[CompanyScenario, str]:
    company = CompanyScenario()
    listing = company.listing("OPEN")
    company.listing("OPEN", "CLOSED")
    for _ in range(5):
        company.application(listing, "IN_REVIEW", "OFFERED", "HIRED", answered_after=NOW - START)
        company.application(listing, "REJECTED", answered_after=NOW - START)
        company.application(listing)
    return company, listing


async def test_figures_that_are_right_are_left_alone(shards: Shards) -> None:
    company, _ = acme()
    await counted(shards, company.events)
    before = await figures(shards)
    assert await StoredSources(company).rebuild(shards) == [0, 0, 0, 0]
    assert await figures(shards) == before


async def test_damaged_tracks_and_figures_are_repaired_and_views_stay(shards: Shards) -> None:
    company, listing = acme()
    company.views(listing, 42)
    await counted(shards, company.events)
    before, db = await figures(shards), shards.shard_for(listing).db
    sources = StoredSources(company)
    lost, wrong, ahead, *_ = sources.histories
    await db[APPLICATION_TRACKS].delete_one({"_id": lost})
    await db[APPLICATION_TRACKS].update_one({"_id": wrong}, {"$set": {"reached": ["HIRED"]}})
    await db[APPLICATION_TRACKS].update_one({"_id": ahead}, {"$set": {"version": 99, "current": "HIRED"}})
    stray = await db[APPLICATION_TRACKS].find_one({"_id": wrong}) or {}
    await db[APPLICATION_TRACKS].insert_one(stray | {"_id": new_id("app")})
    await db[FUNNELS].update_one({"_id": listing}, {"$set": {"applications": 7, "listing.version": 44}})
    await db[OVERVIEWS].update_one({"_id": company.id}, {"$set": {"current": {}, "total_internships": 9}})

    damaged = await figures(shards)
    assert await sources.rebuild(shards, write=False) == [3, 1, 1, 1]
    assert await figures(shards) == damaged
    assert await sources.rebuild(shards) == [3, 1, 1, 1]
    assert await figures(shards) == before
    assert await sources.rebuild(shards) == [0, 0, 0, 0]


async def test_figures_that_are_gone_altogether_come_back(shards: Shards) -> None:
    company, _ = acme()
    await counted(shards, company.events)
    before = await figures(shards)
    for shard in shards.all_shards():
        for collection in (APPLICATION_TRACKS, FUNNELS, OVERVIEWS):
            await shard.db[collection].delete_many({})
    await StoredSources(company).rebuild(shards)
    assert await figures(shards) == before


async def test_events_that_are_counted_during_the_rebuild_are_counted_once(shards: Shards) -> None:
    company, listing = acme()
    await counted(shards, company.events)
    db = shards.shard_for(listing).db
    await db[APPLICATION_TRACKS].delete_many({"slot": slot_of(listing)})
    await db[FUNNELS].update_one({"_id": listing}, {"$set": {"applications": 1_000, "reached.HIRED": 0}})
    known = len(company.events)
    for _ in range(60):
        company.application(listing, "IN_REVIEW", "INTERVIEW")
    coming = company.events[known:]
    random.Random(3).shuffle(coming)
    sources = StoredSources(company)

    async def rebuilding() -> None:
        for _ in range(3):
            await sources.rebuild(shards)

    async def counting() -> None:
        for at in range(0, len(coming), 10):
            await counted(shards, coming[at : at + 10])

    await asyncio.gather(rebuilding(), counting())
    assert await sources.rebuild(shards) == [0, 0, 0, 0]
    overview = (await figures(shards))[company.id]
    assert (overview["applications"], overview["reached"]["HIRED"]) == (75, 5)
    assert overview["current"] == {"INTERVIEW": 60, "HIRED": 5, "REJECTED": 5, "SUBMITTED": 5}

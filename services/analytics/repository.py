"""Figures in MongoDB: of a listing and of its company, beside what they are counted from, on one shard."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pymongo import ASCENDING, IndexModel

from chassis.concurrency.keyed_lock import KeyedLock
from chassis.ids import slot_of
from chassis.messaging import IncomingEvent
from chassis.mongo.documents import Document, from_document, to_document
from chassis.mongo.provision import CollectionSpec
from chassis.sharding.shards import Shards
from chassis.sharding.transactions import Transaction
from services.analytics.domain.figures import (
    VIEWS_FIGURE,
    ApplicationEvent,
    ApplicationTrack,
    FigureCounts,
    ListingEvent,
    ListingTrack,
    figure_changes,
)

FUNNELS: Final = "listing_funnels"
OVERVIEWS: Final = "company_overviews"
APPLICATION_TRACKS: Final = "application_tracks"

COMPANY_INDEX: Final = "of_company"
LISTING_INDEX: Final = "of_listing"

COLLECTIONS: Final = (
    CollectionSpec(
        FUNNELS, indexes=(IndexModel([("company_id", ASCENDING)], name=COMPANY_INDEX),), shard_key="_id"
    ),
    CollectionSpec(OVERVIEWS, shard_key="_id"),
    CollectionSpec(
        APPLICATION_TRACKS,
        indexes=(IndexModel([("internship_id", ASCENDING)], name=LISTING_INDEX),),
        shard_key="_id",
    ),
)
"""Counting reads by `_id`; the other indexes are for counting anew (`recounting.py`). An application's track
lives in its listing's slot, not in that of its own ID."""

CountInTransaction = Callable[[Transaction], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class RecruitingFigures:
    """The figures of one listing or of one company; what was never counted is absent."""

    id: str
    company_id: str
    as_of_time: datetime
    views: int = 0
    applications: int = 0
    total_internships: int = 0
    open_internships: int = 0
    reached: Mapping[str, int] = field(default_factory=dict)
    current: Mapping[str, int] = field(default_factory=dict)
    offer_answers: Mapping[str, int] = field(default_factory=dict)
    responses: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _FigureLocation:
    """Where figures are kept."""

    collection: str
    id: str
    company_id: str


class FigureRepository:
    """Each event is counted in one transaction with the note that it was."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._turns = KeyedLock()

    async def count_application(self, event: ApplicationEvent, handling: IncomingEvent) -> None:
        """Counts what the event changes for the application's listing and company."""

        async def work(tx: Transaction) -> None:
            tracks = tx.db[APPLICATION_TRACKS]
            known = await tracks.find_one({"_id": event.application_id}, hint="_id_")
            before = from_document(ApplicationTrack, known) if known else None
            after = _track_or_new(event, before).joined(event)
            document = to_document(after, slot=slot_of(event.internship_id))
            await tracks.replace_one({"_id": after.id}, document, upsert=True)
            change = figure_changes(before.figures if before else {}, after.figures)
            await _add_figures(
                tx, _funnel_location(event.internship_id, event.company_id), event.time, change
            )
            await _add_figures(tx, _overview_location(event.company_id), event.time, change)

        await self._in_turn(event.company_id, event.internship_id, work, handling)

    async def count_listing(self, event: ListingEvent, handling: IncomingEvent) -> None:
        """Counts what the event changes for the listing's company."""

        async def work(tx: Transaction) -> None:
            known = await tx.db[FUNNELS].find_one({"_id": event.internship_id}, {"listing": 1}, hint="_id_")
            before = from_document(ListingTrack, (known or {}).get("listing", {}))
            after = before.joined(event)
            funnel = _funnel_location(event.internship_id, event.company_id)
            await _add_figures(tx, funnel, event.time, {}, listing=to_document(after))
            change = figure_changes(before.figures, after.figures)
            await _add_figures(tx, _overview_location(event.company_id), event.time, change)

        await self._in_turn(event.company_id, event.internship_id, work, handling)

    async def count_views(
        self, internship_id: str, company_id: str, views: int, *, time: datetime, handling: IncomingEvent
    ) -> None:
        """Adds views to the listing and its company."""

        async def work(tx: Transaction) -> None:
            await _add_figures(tx, _funnel_location(internship_id, company_id), time, {VIEWS_FIGURE: views})
            await _add_figures(tx, _overview_location(company_id), time, {VIEWS_FIGURE: views})

        await self._in_turn(company_id, internship_id, work, handling)

    async def funnel(self, internship_id: str) -> RecruitingFigures | None:
        """The figures of one listing; None when no event has told of it."""
        return await self._figures(FUNNELS, internship_id)

    async def overview(self, company_id: str) -> RecruitingFigures | None:
        """The figures of one company; None when no event has told of it."""
        return await self._figures(OVERVIEWS, company_id)

    async def _figures(self, collection: str, id_: str) -> RecruitingFigures | None:
        document = (
            await self._shards.shard_for(id_)
            .db.secondary_reads[collection]
            .find_one({"_id": id_}, hint="_id_")
        )
        return from_document(RecruitingFigures, document) if document else None

    async def _in_turn(
        self, company_id: str, internship_id: str, work: CountInTransaction, handling: IncomingEvent
    ) -> None:
        """One event of a company at a time: all of them change the same document, and would only conflict."""
        async with self._turns.hold(company_id):
            slot = slot_of(internship_id)
            await self._shards.shard_for(slot).run_in_transaction(work, event=handling, slot=slot)


def _funnel_location(internship_id: str, company_id: str) -> _FigureLocation:
    return _FigureLocation(FUNNELS, internship_id, company_id)


def _overview_location(company_id: str) -> _FigureLocation:
    return _FigureLocation(OVERVIEWS, company_id, company_id)


def _track_or_new(event: ApplicationEvent, known: ApplicationTrack | None) -> ApplicationTrack:
    return known or ApplicationTrack(id=event.application_id, internship_id=event.internship_id)


async def _add_figures(
    tx: Transaction,
    place: _FigureLocation,
    event_time: datetime,
    change: FigureCounts,
    *,
    listing: Document | None = None,
) -> None:
    update: Document = {
        "$max": {"as_of_time": event_time},
        "$setOnInsert": {"company_id": place.company_id, "slot": slot_of(place.id)},
    }
    if change:
        update["$inc"] = dict(change)
    if listing:
        update["$set"] = {"listing": listing}
    await tx.db[place.collection].update_one({"_id": place.id}, update, upsert=True, hint="_id_")

"""Figures of listings and companies in MongoDB, with the tracks that they are counted from, on one shard."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pymongo import ASCENDING, IndexModel

from chassis.ids import slot_of
from chassis.messaging import IncomingEvent
from chassis.mongo.documents import Document, from_document, to_document
from chassis.mongo.provision import CollectionSpec
from chassis.sharding.reconciler import DerivedCollectionReconciler, iterate_pages
from chassis.sharding.repository import SlotRepository
from chassis.sharding.shards import Shards
from chassis.sharding.transactions import Transaction
from services.analytics.domain.figures import (
    APPLICATIONS_FIGURE,
    OPEN_INTERNSHIPS_FIGURE,
    TOTAL_INTERNSHIPS_FIGURE,
    VIEWS_FIGURE,
    ApplicationEvent,
    ApplicationHistory,
    ApplicationTrack,
    FigureCounts,
    ListingEvent,
    ListingTrack,
    RecruitingFigures,
    build_track,
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
"""Counting reads by `_id`; the other indexes serve the recount (`rebuild.py`).

An application's track is in its listing's slot, not in that of its own ID.
"""

FIGURE_GROUPS: Final = ("reached", "current", "offer_answers", "responses")
LISTING_FIGURES: Final = (APPLICATIONS_FIGURE,)
COMPANY_FIGURES: Final = (APPLICATIONS_FIGURE, TOTAL_INTERNSHIPS_FIGURE, OPEN_INTERNSHIPS_FIGURE)

BuildFigureFields = Callable[[Transaction, Document], Awaitable[Document]]
"""Returns the right content of a document of figures, from the sums and its present content."""


@dataclass(frozen=True)
class _FigureLocation:
    """The place of a document of figures."""

    collection: str
    id: str
    company_id: str


class FigureRepository(SlotRepository):
    """Counts each event in one transaction with its inbox row, in the slot of its company.

    One event of a company at a time, as all of them change one document and would conflict.
    """

    def __init__(self, shards: Shards) -> None:
        super().__init__(shards, resource="figures", metrics_label=FUNNELS, is_serialised=True)

    async def count_application(self, event: ApplicationEvent, handling: IncomingEvent) -> None:
        """Count the event's changes for the application's listing and company."""

        async def count(tx: Transaction) -> None:
            tracks = tx.db[APPLICATION_TRACKS]
            known = await tracks.find_one({"_id": event.application_id}, hint="_id_")
            before = from_document(ApplicationTrack, known) if known else None
            after = _track_or_new(event, before).with_event(event)
            document = to_document(after, slot=slot_of(event.internship_id))
            await tracks.replace_one({"_id": after.id}, document, upsert=True)
            change = figure_changes(before.figures if before else {}, after.figures)
            await _add_figures(
                tx, _funnel_location(event.internship_id, event.company_id), event.time, change
            )
            await _add_figures(tx, _overview_location(event.company_id), event.time, change)

        await self._change_in_transaction(event.company_id, count, handling=handling)

    async def count_listing(self, event: ListingEvent, handling: IncomingEvent) -> None:
        """Count the event's changes for the listing's company."""

        async def count(tx: Transaction) -> None:
            known = await tx.db[FUNNELS].find_one({"_id": event.internship_id}, {"listing": 1}, hint="_id_")
            before = from_document(ListingTrack, (known or {}).get("listing", {}))
            after = before.with_event(event)
            funnel = _funnel_location(event.internship_id, event.company_id)
            await _add_figures(tx, funnel, event.time, {}, listing=to_document(after))
            change = figure_changes(before.figures, after.figures)
            await _add_figures(tx, _overview_location(event.company_id), event.time, change)

        await self._change_in_transaction(event.company_id, count, handling=handling)

    async def count_views(
        self, internship_id: str, company_id: str, views: int, *, time: datetime, handling: IncomingEvent
    ) -> None:
        """Add views to the listing and its company."""

        async def count(tx: Transaction) -> None:
            await _add_figures(tx, _funnel_location(internship_id, company_id), time, {VIEWS_FIGURE: views})
            await _add_figures(tx, _overview_location(company_id), time, {VIEWS_FIGURE: views})

        await self._change_in_transaction(company_id, count, handling=handling)

    async def find_funnel(self, internship_id: str) -> RecruitingFigures | None:
        """Return the figures of one listing; None before its first event."""
        return await self._find_figures(FUNNELS, internship_id)

    async def find_overview(self, company_id: str) -> RecruitingFigures | None:
        """Return the figures of one company; None before its first event."""
        return await self._find_figures(OVERVIEWS, company_id)

    # --- rebuilding

    def track_reconciler(
        self, history_now: Callable[[str], Awaitable[ApplicationHistory | None]], *, write: bool
    ) -> DerivedCollectionReconciler:
        """Return the reconciler of tracks with applications; `history_now` reads an application's events."""

        async def track_now(application_id: str) -> Document | None:
            history = await history_now(application_id)
            return _track_document(history) if history else None

        return DerivedCollectionReconciler(
            self._shards,
            APPLICATION_TRACKS,
            track_now,
            unordered_fields=("reached", "offer_answers"),
            apply=write,
        )

    def track_documents(self, histories: Iterable[ApplicationHistory]) -> list[Document]:
        """Return the tracks of some applications as they should be stored."""
        return [_track_document(history) for history in histories]

    async def iterate_keys(self, collection: str) -> AsyncIterator[list[Document]]:
        """Yield `_id` and `slot` of all documents of a collection, page by page (index `_id_`)."""
        for shard in self._shards.all_shards():
            async for page in iterate_pages(shard.db[collection], {"_id": True, "slot": True}):
                yield page

    async def iterate_company_ids(self) -> AsyncIterator[list[str]]:
        """Yield the IDs of the companies that have figures, page by page (index `_id_`)."""
        async for page in self.iterate_keys(OVERVIEWS):
            yield [document["_id"] for document in page]

    async def remove_documents(self, collection: str, keys: Sequence[Document]) -> None:
        """Delete documents by their `_id` and `slot`."""
        for key in keys:
            query = {"_id": key["_id"], "slot": key["slot"]}
            await self._shards.shard_for(key["slot"]).db[collection].delete_one(query, hint="_id_")

    async def listing_track(self, internship_id: str) -> ListingTrack:
        """Return the track of a listing; an empty track before its first event."""
        funnels = self._shards.shard_for(internship_id).db[FUNNELS]
        funnel = await funnels.find_one({"_id": internship_id}, {"listing": 1}, hint="_id_")
        return _listing_track_in(funnel or {})

    async def replace_listing_figures(
        self, event: ListingEvent, distrusted_version: int, now: datetime, *, write: bool
    ) -> bool:
        """Replace a listing's figures by the sums over its tracks; return whether they were wrong.

        A stored track of the listing is kept if it is newer than `event`, unless it has `distrusted_version`.
        """

        async def build_fields(tx: Transaction, seen: Document) -> Document:
            query = {"internship_id": event.internship_id}
            counts: Counter[str] = Counter()
            async for document in tx.db[APPLICATION_TRACKS].find(query, hint=LISTING_INDEX):
                counts.update(from_document(ApplicationTrack, document).figures)
            track = _listing_track_in(seen)
            if track.version <= event.version or track.version == distrusted_version:
                track = ListingTrack(state=event.state, version=event.version)
            figures = _figures_document(counts, LISTING_FIGURES)
            return figures | {"company_id": event.company_id, "listing": to_document(track)}

        return await self._replace_figures(FUNNELS, event.internship_id, build_fields, now, write=write)

    async def replace_company_figures(self, company_id: str, now: datetime, *, write: bool) -> bool:
        """Replace a company's figures by the sums over its listings; return whether they were wrong."""

        async def build_fields(tx: Transaction, _seen: Document) -> Document:
            counts: Counter[str] = Counter()
            async for funnel in tx.db[FUNNELS].find({"company_id": company_id}, hint=COMPANY_INDEX):
                counts.update(_figures_in_document(funnel, LISTING_FIGURES))
                counts.update(_listing_track_in(funnel).figures)
            return _figures_document(counts, COMPANY_FIGURES) | {"company_id": company_id}

        return await self._replace_figures(OVERVIEWS, company_id, build_fields, now, write=write)

    async def _replace_figures(
        self, collection: str, id_: str, build_fields: BuildFigureFields, now: datetime, *, write: bool
    ) -> bool:
        """Replace the figures of a document if they are wrong; return whether they were."""

        async def find_difference(tx: Transaction) -> Document | None:
            seen = await tx.db[collection].find_one({"_id": id_}, hint="_id_") or {}
            wanted = await build_fields(tx, seen)
            return None if _holds_same_figures(seen, wanted) else wanted

        async def write_difference(tx: Transaction) -> bool:
            # First of all, so that no event can be counted from here on: it would conflict with this change.
            touch = {"$max": {"as_of_time": now}, "$setOnInsert": {"slot": slot_of(id_)}}
            await tx.db[collection].update_one({"_id": id_}, touch, upsert=True, hint="_id_")
            wanted = await find_difference(tx)
            if wanted is not None:
                await tx.db[collection].update_one({"_id": id_}, {"$set": wanted}, hint="_id_")
            return wanted is not None

        if await self._run_in_transaction(id_, find_difference) is None:
            return False
        return not write or await self._change_in_transaction(id_, write_difference)

    # ---

    async def _find_figures(self, collection: str, id_: str) -> RecruitingFigures | None:
        document = (
            await self._shards.shard_for(id_)
            .db.secondary_reads[collection]
            .find_one({"_id": id_}, hint="_id_")
        )
        return from_document(RecruitingFigures, document) if document else None


def _funnel_location(internship_id: str, company_id: str) -> _FigureLocation:
    return _FigureLocation(FUNNELS, internship_id, company_id)


def _overview_location(company_id: str) -> _FigureLocation:
    return _FigureLocation(OVERVIEWS, company_id, company_id)


def _track_or_new(event: ApplicationEvent, known: ApplicationTrack | None) -> ApplicationTrack:
    return known or ApplicationTrack(id=event.application_id, internship_id=event.internship_id)


async def _add_figures(
    tx: Transaction,
    location: _FigureLocation,
    event_time: datetime,
    change: FigureCounts,
    *,
    listing: Document | None = None,
) -> None:
    update: Document = {
        "$max": {"as_of_time": event_time},
        "$setOnInsert": {"company_id": location.company_id, "slot": slot_of(location.id)},
    }
    if change:
        update["$inc"] = dict(change)
    if listing:
        update["$set"] = {"listing": listing}
    await tx.db[location.collection].update_one({"_id": location.id}, update, upsert=True, hint="_id_")


def _track_document(history: ApplicationHistory) -> Document:
    return to_document(build_track(history), slot=slot_of(history[0].internship_id))


def _listing_track_in(funnel: Document) -> ListingTrack:
    return from_document(ListingTrack, funnel.get("listing") or {})


def _figures_document(counts: FigureCounts, plain: Sequence[str]) -> Document:
    """Return the document of figures by name: `reached.HIRED` is `HIRED` in `reached`."""
    document: Document = {name: counts.get(name, 0) for name in plain} | {
        group: {} for group in FIGURE_GROUPS
    }
    for name, count in counts.items():
        group, _, part = name.partition(".")
        if part and count:
            document[group][part] = count
    return document


def _figures_in_document(document: Document, plain: Sequence[str]) -> FigureCounts:
    """Return the figures in a document by name; those of 0 are left out."""
    grouped = {
        f"{group}.{part}": n for group in FIGURE_GROUPS for part, n in (document.get(group) or {}).items()
    }
    counts = grouped | {name: document.get(name) or 0 for name in plain}
    return {name: count for name, count in counts.items() if count}


def _holds_same_figures(seen: Document, wanted: Document) -> bool:
    """Return whether a document holds the right figures; a figure of 0 may be missing."""
    plain = [name for name in COMPANY_FIGURES if name in wanted]
    others = [name for name in wanted if name not in (*plain, *FIGURE_GROUPS)]
    return _figures_in_document(seen, plain) == _figures_in_document(wanted, plain) and all(
        seen.get(name) == wanted[name] for name in others
    )

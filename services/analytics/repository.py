"""Figures of listings and companies in MongoDB, with the tracks that they are counted from, on one shard."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import Final

from pymongo import ASCENDING, IndexModel, ReplaceOne, UpdateOne

from chassis.ids import slot_of
from chassis.messaging import IncomingEvent
from chassis.mongo.documents import Document, from_document, to_document
from chassis.mongo.provision import CollectionSpec
from chassis.sharding.reconciler import DerivedCollectionReconciler, iterate_pages
from chassis.sharding.shards import Shards
from chassis.sharding.slot_repository import HandledChange, SlotRepository
from chassis.sharding.transactions import Transaction
from services.analytics.domain.counting import EventBatch, FigureChange
from services.analytics.domain.figures import (
    APPLICATIONS_FIGURE,
    OPEN_INTERNSHIPS_FIGURE,
    TOTAL_INTERNSHIPS_FIGURE,
    ApplicationEvent,
    ApplicationHistory,
    ApplicationTrack,
    FigureCounts,
    FigureEvent,
    ListingEvent,
    ListingTrack,
    RecruitingFigures,
    build_track,
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

WriteOperation = ReplaceOne[Document] | UpdateOne
BuildFigureFields = Callable[[Transaction, Document], Awaitable[Document]]
"""Returns the right content of a document of figures, from the sums and its present content."""


class FigureRepository(SlotRepository):
    """Counts events in one transaction a shard, each with its inbox row in the slot of its company."""

    def __init__(self, shards: Shards) -> None:
        super().__init__(shards, resource="figures", metrics_label=FUNNELS)

    async def count_events(self, events: Sequence[tuple[FigureEvent, IncomingEvent]]) -> None:
        """Count each event once, for its listing and its company."""
        changes = [HandledChange(event.company_id, incoming, event) for event, incoming in events]
        await self._handle_batch(changes, _count_in_transaction)

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


async def _count_in_transaction(tx: Transaction, events: Sequence[FigureEvent]) -> None:
    batch = EventBatch(await _stored_tracks(tx, events), await _stored_listing_tracks(tx, events))
    batch.count(events)
    tracks: list[WriteOperation] = [
        ReplaceOne({"_id": track.id}, to_document(track, slot=slot_of(track.internship_id)), upsert=True)
        for track in batch.changed_tracks.values()
    ]
    if tracks:
        await tx.db[APPLICATION_TRACKS].bulk_write(tracks, ordered=False)
    for collection, changes in ((FUNNELS, batch.listings), (OVERVIEWS, batch.companies)):
        await tx.db[collection].bulk_write(
            [_figures_update(id_, change) for id_, change in changes.items()], ordered=False
        )


async def _stored_tracks(tx: Transaction, events: Sequence[FigureEvent]) -> dict[str, ApplicationTrack]:
    ids = sorted({event.application_id for event in events if isinstance(event, ApplicationEvent)})
    if not ids:
        return {}
    found = tx.db[APPLICATION_TRACKS].find({"_id": {"$in": ids}}, hint="_id_")
    return {document["_id"]: from_document(ApplicationTrack, document) async for document in found}


async def _stored_listing_tracks(tx: Transaction, events: Sequence[FigureEvent]) -> dict[str, ListingTrack]:
    ids = sorted({event.internship_id for event in events if isinstance(event, ListingEvent)})
    if not ids:
        return {}
    found = tx.db[FUNNELS].find({"_id": {"$in": ids}}, {"listing": 1}, hint="_id_")
    return {document["_id"]: _listing_track_in(document) async for document in found}


def _figures_update(id_: str, change: FigureChange) -> WriteOperation:
    update: Document = {
        "$max": {"as_of_time": change.as_of_time},
        "$setOnInsert": {"company_id": change.company_id, "slot": slot_of(id_)},
    }
    if counts := {name: count for name, count in sorted(change.counts.items()) if count}:
        update["$inc"] = counts
    if change.listing is not None:
        update["$set"] = {"listing": to_document(change.listing)}
    return UpdateOne({"_id": id_}, update, upsert=True, hint="_id_")


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

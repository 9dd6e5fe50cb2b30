"""Figures counted anew from what the other services have stored, while events go on being counted.

First the tracks of applications are brought into line with the applications. That changes no figure. Then the
figures of each listing are replaced by the sums over its tracks, and those of each company by the sums over
its listings, each in a transaction that meets those of the events on the document that they all change. So an
event is in the sums or added to them, never both. A run that is broken off has to be repeated: what it had
brought into the tracks, and not yet into the sums, no later event counts. Views are stored nowhere else and
stay as they are.
"""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final

from chassis.ids import slot_of
from chassis.mongo.documents import Document, from_document, to_document
from chassis.sharding.reconciler import DerivedCollectionReconciler, iterate_pages
from chassis.sharding.shard import Shard
from chassis.sharding.shards import Shards
from chassis.sharding.transactions import Transaction
from services.analytics.domain.figures import (
    APPLICATIONS_FIGURE,
    OPEN_INTERNSHIPS_FIGURE,
    TOTAL_INTERNSHIPS_FIGURE,
    ApplicationEvent,
    ApplicationTrack,
    FigureCounts,
    ListingEvent,
    ListingTrack,
    build_track,
)
from services.analytics.repository import APPLICATION_TRACKS, COMPANY_INDEX, FUNNELS, LISTING_INDEX, OVERVIEWS

FIGURE_GROUPS: Final = ("reached", "current", "offer_answers", "responses")
LISTING_FIGURES: Final = (APPLICATIONS_FIGURE,)
COMPANY_FIGURES: Final = (APPLICATIONS_FIGURE, TOTAL_INTERNSHIPS_FIGURE, OPEN_INTERNSHIPS_FIGURE)

ApplicationHistory = Sequence[ApplicationEvent]
BuildFigureFields = Callable[[Transaction, Document], Awaitable[Document]]
"""Gives what a document of figures should hold, from the sums and from what it holds now."""


class FigureRebuilder:
    """Counts anew, one step after the other: `tracks` of all applications, each `listing`, each `company`.

    `history_now` and `listing_now` ask for all events of one application, and the latest of one listing.
    """

    def __init__(
        self,
        shards: Shards,
        history_now: Callable[[str], Awaitable[ApplicationHistory | None]],
        listing_now: Callable[[str], Awaitable[ListingEvent | None]],
        *,
        write: bool = True,
    ) -> None:
        self._shards = shards
        self._history_now = history_now
        self._listing_now = listing_now
        self._write = write
        self._tracks = DerivedCollectionReconciler(
            shards,
            APPLICATION_TRACKS,
            self._track_now,
            unordered_fields=("reached", "offer_answers"),
            apply=write,
        )

    async def tracks(self, histories: Sequence[ApplicationHistory]) -> int:
        """Mends the tracks of some applications; how many were wrong."""
        return len(await self._tracks.reconcile([_track_document(history) for history in histories]))

    async def remove_strays(
        self, shard: Shard, collection: str, known: Callable[[list[str]], Awaitable[set[str]]]
    ) -> AsyncIterator[tuple[int, int]]:
        """Removes tracks or funnels of what is not `known`; page by page how many there were and went."""
        async for page in iterate_pages(shard.db[collection], {"_id": True, "slot": True}):
            found = await known([each["_id"] for each in page])
            strays = [each for each in page if each["_id"] not in found]
            for each in strays if self._write else ():
                place = {"_id": each["_id"], "slot": each["slot"]}
                await self._shards.shard_for(each["slot"]).db[collection].delete_one(place, hint="_id_")
            yield len(page), len(strays)

    async def listing(self, event: ListingEvent, now: datetime) -> bool:
        """Counts a listing's figures anew; whether they were wrong. `event` is what was told of it last."""
        shard = self._shards.shard_for(event.internship_id)
        known = await shard.db[FUNNELS].find_one({"_id": event.internship_id}, {"listing": 1}, hint="_id_")
        distrusted = 0
        if (stored := _listing_track_in(known or {})).version > event.version:
            event = await self._listing_now(event.internship_id) or event
            distrusted = stored.version if stored.version > event.version else 0

        async def fields(tx: Transaction, seen: Document) -> Document:
            query = {"internship_id": event.internship_id}
            counts: Counter[str] = Counter()
            async for document in tx.db[APPLICATION_TRACKS].find(query, hint=LISTING_INDEX):
                counts.update(from_document(ApplicationTrack, document).figures)
            track = _listing_track_in(seen)
            if track.version <= event.version or track.version == distrusted:
                track = ListingTrack(state=event.state, version=event.version)
            figures = _figures_document(counts, LISTING_FIGURES)
            return figures | {"company_id": event.company_id, "listing": to_document(track)}

        return await self._replace(shard, FUNNELS, event.internship_id, fields, now)

    async def company(self, company_id: str, now: datetime) -> bool:
        """Counts a company's figures anew from those of its listings; whether they were wrong."""

        async def fields(tx: Transaction, _seen: Document) -> Document:
            counts: Counter[str] = Counter()
            async for funnel in tx.db[FUNNELS].find({"company_id": company_id}, hint=COMPANY_INDEX):
                counts.update(_figures_in_document(funnel, LISTING_FIGURES))
                counts.update(_listing_track_in(funnel).figures)
            return _figures_document(counts, COMPANY_FIGURES) | {"company_id": company_id}

        return await self._replace(self._shards.shard_for(company_id), OVERVIEWS, company_id, fields, now)

    async def counted_companies(self, shard: Shard) -> AsyncIterator[str]:
        """The companies on a shard of which there are figures."""
        async for page in iterate_pages(shard.db[OVERVIEWS], {"_id": True}):
            for document in page:
                yield document["_id"]

    async def _replace(
        self, shard: Shard, collection: str, id_: str, fields: BuildFigureFields, now: datetime
    ) -> bool:
        """Replaces the figures of a document if they are wrong; says whether they were."""

        async def look(tx: Transaction) -> Document | None:
            seen = await tx.db[collection].find_one({"_id": id_}, hint="_id_") or {}
            wanted = await fields(tx, seen)
            return None if _holds_same_figures(seen, wanted) else wanted

        async def mend(tx: Transaction) -> bool:
            # First of all, so that no event can be counted from here on: it would meet this change.
            touch = {"$max": {"as_of_time": now}, "$setOnInsert": {"slot": slot_of(id_)}}
            await tx.db[collection].update_one({"_id": id_}, touch, upsert=True, hint="_id_")
            wanted = await look(tx)
            if wanted is not None:
                await tx.db[collection].update_one({"_id": id_}, {"$set": wanted}, hint="_id_")
            return wanted is not None

        if await shard.run_in_transaction(look) is None:
            return False
        return not self._write or bool(await shard.run_in_transaction(mend))

    async def _track_now(self, application_id: str) -> Document | None:
        history = await self._history_now(application_id)
        return _track_document(history) if history else None


def _track_document(history: ApplicationHistory) -> Document:
    return to_document(build_track(history), slot=slot_of(history[0].internship_id))


def _listing_track_in(funnel: Document) -> ListingTrack:
    return from_document(ListingTrack, funnel.get("listing") or {})


def _figures_document(counts: FigureCounts, plain: Sequence[str]) -> Document:
    """Figures by name as a document holds them: `reached.HIRED` is `HIRED` in `reached`."""
    document: Document = {name: counts.get(name, 0) for name in plain} | {
        group: {} for group in FIGURE_GROUPS
    }
    for name, count in counts.items():
        group, _, part = name.partition(".")
        if part and count:
            document[group][part] = count
    return document


def _figures_in_document(document: Document, plain: Sequence[str]) -> FigureCounts:
    """Figures by name of a document; those of 0 are left out."""
    grouped = {
        f"{group}.{part}": n for group in FIGURE_GROUPS for part, n in (document.get(group) or {}).items()
    }
    counts = grouped | {name: document.get(name) or 0 for name in plain}
    return {name: count for name, count in counts.items() if count}


def _holds_same_figures(seen: Document, wanted: Document) -> bool:
    """Whether a document holds what it should; a figure of 0 may as well be missing."""
    plain = [name for name in COMPANY_FIGURES if name in wanted]
    others = [name for name in wanted if name not in (*plain, *FIGURE_GROUPS)]
    return _figures_in_document(seen, plain) == _figures_in_document(wanted, plain) and all(
        seen.get(name) == wanted[name] for name in others
    )

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
from chassis.mongo.mending import Mending, pages
from chassis.mongo.shards import Shard, Shards
from chassis.mongo.transactions import Transaction
from services.analytics.domain import (
    APPLICATIONS,
    OPEN_INTERNSHIPS,
    TOTAL_INTERNSHIPS,
    ApplicationEvent,
    ApplicationTrack,
    Counts,
    ListingEvent,
    ListingTrack,
    track_of,
)
from services.analytics.store import APPLICATION_TRACKS, FUNNELS, OF_COMPANY, OF_LISTING, OVERVIEWS

GROUPS: Final = ("reached", "current", "offer_answers", "responses")
OF_A_LISTING: Final = (APPLICATIONS,)
OF_A_COMPANY: Final = (APPLICATIONS, TOTAL_INTERNSHIPS, OPEN_INTERNSHIPS)

History = Sequence[ApplicationEvent]
Fields = Callable[[Transaction, Document], Awaitable[Document]]
"""Gives what a document of figures should hold, from the sums and from what it holds now."""


class Recounting:
    """Counts anew, one step after the other: `tracks` of all applications, each `listing`, each `company`.

    `history_now` and `listing_now` ask for all events of one application, and the latest of one listing.
    """

    def __init__(
        self,
        shards: Shards,
        history_now: Callable[[str], Awaitable[History | None]],
        listing_now: Callable[[str], Awaitable[ListingEvent | None]],
        *,
        write: bool = True,
    ) -> None:
        self._shards = shards
        self._history_now = history_now
        self._listing_now = listing_now
        self._write = write
        self._tracks = Mending(
            shards,
            APPLICATION_TRACKS,
            self._track_now,
            unordered=("reached", "offer_answers"),
            write=write,
        )

    async def tracks(self, histories: Sequence[History]) -> int:
        """Mends the tracks of some applications; how many were wrong."""
        return len(await self._tracks.mend([_track_document(history) for history in histories]))

    async def remove_strays(
        self, shard: Shard, collection: str, known: Callable[[list[str]], Awaitable[set[str]]]
    ) -> AsyncIterator[tuple[int, int]]:
        """Removes tracks or funnels of what is not `known`; page by page how many there were and went."""
        async for page in pages(shard.db[collection], {"_id": True, "slot": True}):
            found = await known([each["_id"] for each in page])
            strays = [each for each in page if each["_id"] not in found]
            for each in strays if self._write else ():
                place = {"_id": each["_id"], "slot": each["slot"]}
                await self._shards.of(each["slot"]).db[collection].delete_one(place, hint="_id_")
            yield len(page), len(strays)

    async def listing(self, event: ListingEvent, now: datetime) -> bool:
        """Counts a listing's figures anew; whether they were wrong. `event` is what was told of it last."""
        shard = self._shards.of(event.internship_id)
        known = await shard.db[FUNNELS].find_one({"_id": event.internship_id}, {"listing": 1}, hint="_id_")
        distrusted = 0
        if (stored := _listing_in(known or {})).version > event.version:
            event = await self._listing_now(event.internship_id) or event
            distrusted = stored.version if stored.version > event.version else 0

        async def fields(tx: Transaction, seen: Document) -> Document:
            query = {"internship_id": event.internship_id}
            counts: Counter[str] = Counter()
            async for document in tx.db[APPLICATION_TRACKS].find(query, hint=OF_LISTING):
                counts.update(from_document(ApplicationTrack, document).figures)
            track = _listing_in(seen)
            if track.version <= event.version or track.version == distrusted:
                track = ListingTrack(state=event.state, version=event.version)
            figures = _document(counts, OF_A_LISTING)
            return figures | {"company_id": event.company_id, "listing": to_document(track)}

        return await self._replace(shard, FUNNELS, event.internship_id, fields, now)

    async def company(self, company_id: str, now: datetime) -> bool:
        """Counts a company's figures anew from those of its listings; whether they were wrong."""

        async def fields(tx: Transaction, _seen: Document) -> Document:
            counts: Counter[str] = Counter()
            async for funnel in tx.db[FUNNELS].find({"company_id": company_id}, hint=OF_COMPANY):
                counts.update(_counts(funnel, OF_A_LISTING))
                counts.update(_listing_in(funnel).figures)
            return _document(counts, OF_A_COMPANY) | {"company_id": company_id}

        return await self._replace(self._shards.of(company_id), OVERVIEWS, company_id, fields, now)

    async def counted_companies(self, shard: Shard) -> AsyncIterator[str]:
        """The companies on a shard of which there are figures."""
        async for page in pages(shard.db[OVERVIEWS], {"_id": True}):
            for document in page:
                yield document["_id"]

    async def _replace(self, shard: Shard, collection: str, id_: str, fields: Fields, now: datetime) -> bool:
        """Replaces the figures of a document if they are wrong; says whether they were."""

        async def look(tx: Transaction) -> Document | None:
            seen = await tx.db[collection].find_one({"_id": id_}, hint="_id_") or {}
            wanted = await fields(tx, seen)
            return None if _same(seen, wanted) else wanted

        async def mend(tx: Transaction) -> bool:
            # First of all, so that no event can be counted from here on: it would meet this change.
            touch = {"$max": {"as_of_time": now}, "$setOnInsert": {"slot": slot_of(id_)}}
            await tx.db[collection].update_one({"_id": id_}, touch, upsert=True, hint="_id_")
            wanted = await look(tx)
            if wanted is not None:
                await tx.db[collection].update_one({"_id": id_}, {"$set": wanted}, hint="_id_")
            return wanted is not None

        if await shard.in_transaction(look) is None:
            return False
        return not self._write or bool(await shard.in_transaction(mend))

    async def _track_now(self, application_id: str) -> Document | None:
        history = await self._history_now(application_id)
        return _track_document(history) if history else None


def _track_document(history: History) -> Document:
    return to_document(track_of(history), slot=slot_of(history[0].internship_id))


def _listing_in(funnel: Document) -> ListingTrack:
    return from_document(ListingTrack, funnel.get("listing") or {})


def _document(counts: Counts, plain: Sequence[str]) -> Document:
    """Figures by name as a document holds them: `reached.HIRED` is `HIRED` in `reached`."""
    document: Document = {name: counts.get(name, 0) for name in plain} | {group: {} for group in GROUPS}
    for name, count in counts.items():
        group, _, part = name.partition(".")
        if part and count:
            document[group][part] = count
    return document


def _counts(document: Document, plain: Sequence[str]) -> Counts:
    """Figures by name of a document; those of 0 are left out."""
    grouped = {f"{group}.{part}": n for group in GROUPS for part, n in (document.get(group) or {}).items()}
    counts = grouped | {name: document.get(name) or 0 for name in plain}
    return {name: count for name, count in counts.items() if count}


def _same(seen: Document, wanted: Document) -> bool:
    """Whether a document holds what it should; a figure of 0 may as well be missing."""
    plain = [name for name in OF_A_COMPANY if name in wanted]
    others = [name for name in wanted if name not in (*plain, *GROUPS)]
    return _counts(seen, plain) == _counts(wanted, plain) and all(
        seen.get(name) == wanted[name] for name in others
    )

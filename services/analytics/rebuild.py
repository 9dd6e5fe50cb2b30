"""Recounts figures from the data of the other services, while events go on being counted.

First the tracks of applications are reconciled with the applications, which changes no figure. Then the
figures of each listing are replaced by the sums over its tracks, and those of each company by the sums over
its listings, each in a transaction that conflicts with those of the events on the document that all of them
change. So an event is either in the sums or added to them. A run that is interrupted has to be repeated: no
later event counts facts that are in the tracks and not yet in the sums. Views are stored nowhere else and are
kept.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime

from services.analytics.domain.figures import ApplicationHistory, ListingEvent
from services.analytics.repository import FigureRepository


class FigureRebuilder:
    """Rebuilds in order: the tracks of all applications, then each listing, then each company.

    `history_now` and `listing_now` read all events of one application, and the latest of one listing.
    """

    def __init__(
        self,
        repository: FigureRepository,
        history_now: Callable[[str], Awaitable[ApplicationHistory | None]],
        listing_now: Callable[[str], Awaitable[ListingEvent | None]],
        *,
        write: bool = True,
    ) -> None:
        self._repository = repository
        self._listing_now = listing_now
        self._write = write
        self._tracks = repository.track_reconciler(history_now, write=write)

    async def rebuild_tracks(self, histories: Sequence[ApplicationHistory]) -> int:
        """Repair the tracks of some applications; return how many were wrong."""
        return len(await self._tracks.reconcile(self._repository.track_documents(histories)))

    async def remove_orphans(
        self, collection: str, known: Callable[[list[str]], Awaitable[set[str]]]
    ) -> AsyncIterator[tuple[int, int]]:
        """Remove tracks or funnels whose subject is not `known`; yield how many were seen and removed."""
        async for page in self._repository.iterate_keys(collection):
            found = await known([each["_id"] for each in page])
            orphans = [each for each in page if each["_id"] not in found]
            if self._write:
                await self._repository.remove_documents(collection, orphans)
            yield len(page), len(orphans)

    async def rebuild_listing(self, event: ListingEvent, now: datetime) -> bool:
        """Count a listing's figures again; return whether they were wrong. `event` is its latest."""
        stored = await self._repository.listing_track(event.internship_id)
        distrusted_version = 0
        if stored.version > event.version:
            event = await self._listing_now(event.internship_id) or event
            distrusted_version = stored.version if stored.version > event.version else 0
        return await self._repository.replace_listing_figures(
            event, distrusted_version, now, write=self._write
        )

    async def rebuild_company(self, company_id: str, now: datetime) -> bool:
        """Count a company's figures again from those of its listings; return whether they were wrong."""
        return await self._repository.replace_company_figures(company_id, now, write=self._write)

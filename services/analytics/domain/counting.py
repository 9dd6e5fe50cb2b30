"""Counting a batch of events: the tracks that they change, and the changes of figures."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from services.analytics.domain.figures import (
    VIEWS_FIGURE,
    ApplicationEvent,
    ApplicationTrack,
    FigureCounts,
    FigureEvent,
    ListingEvent,
    ListingTrack,
    figure_changes,
)


@dataclass
class FigureChange:
    """The changes of one document of figures; a figure that did not change may be there with 0."""

    company_id: str
    as_of_time: datetime
    counts: Counter[str] = field(default_factory=Counter)
    listing: ListingTrack | None = None
    """The listing's track, if an event of the listing itself is among the events."""

    def add(self, change: FigureCounts, time: datetime) -> None:
        """Add the change by an event of this time."""
        self.counts.update(change)
        self.as_of_time = max(self.as_of_time, time)


class EventBatch:
    """Counts events one after the other, in memory.

    Give it the stored tracks of all applications and listings that the events are about. The result is the
    same as counting each event alone, in any order and cut into any batches.
    """

    def __init__(
        self, application_tracks: Mapping[str, ApplicationTrack], listing_tracks: Mapping[str, ListingTrack]
    ) -> None:
        self._application_tracks = dict(application_tracks)
        self._listing_tracks = dict(listing_tracks)
        self.changed_tracks: dict[str, ApplicationTrack] = {}
        """The applications' tracks to store, by ID."""
        self.listings: dict[str, FigureChange] = {}
        self.companies: dict[str, FigureChange] = {}

    def count(self, events: Iterable[FigureEvent]) -> None:
        """Count events."""
        for event in events:
            if isinstance(event, ApplicationEvent):
                self._count_application(event)
            elif isinstance(event, ListingEvent):
                self._count_listing(event)
            else:
                self._add(event, {VIEWS_FIGURE: event.views}, {VIEWS_FIGURE: event.views})

    def _count_application(self, event: ApplicationEvent) -> None:
        before = self._application_tracks.get(event.application_id)
        new = ApplicationTrack(id=event.application_id, internship_id=event.internship_id)
        after = (before or new).with_event(event)
        self._application_tracks[after.id] = self.changed_tracks[after.id] = after
        change = figure_changes(before.figures if before else {}, after.figures)
        self._add(event, change, change)

    def _count_listing(self, event: ListingEvent) -> None:
        before = self._listing_tracks.get(event.internship_id, ListingTrack())
        after = self._listing_tracks[event.internship_id] = before.with_event(event)
        self._add(event, {}, figure_changes(before.figures, after.figures))
        self.listings[event.internship_id].listing = after

    def _add(self, event: FigureEvent, of_listing: FigureCounts, of_company: FigureCounts) -> None:
        for changes, id_, change in (
            (self.listings, event.internship_id, of_listing),
            (self.companies, event.company_id, of_company),
        ):
            known = changes.setdefault(id_, FigureChange(event.company_id, event.time))
            known.add(change, event.time)

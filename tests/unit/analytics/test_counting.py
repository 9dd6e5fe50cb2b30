"""Counting in batches gives the figures of counting one by one, in whatever batches events come."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.analytics.domain.counting import EventBatch
from services.analytics.domain.figures import (
    STAGES,
    ApplicationEvent,
    ApplicationTrack,
    FigureEvent,
    ListingEvent,
    ListingTrack,
    ViewsEvent,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
TIMES = st.integers(0, 1_000).map(lambda minutes: START + timedelta(minutes=minutes))
LISTINGS = {"int_1": "cmp_1", "int_2": "cmp_1", "int_3": "cmp_2"}


@st.composite
def figure_events(draw: st.DrawFn) -> FigureEvent:
    internship_id = draw(st.sampled_from(sorted(LISTINGS)))
    company_id, time = LISTINGS[internship_id], draw(TIMES)
    match draw(st.sampled_from(("application", "listing", "views"))):
        case "application":
            return ApplicationEvent(
                application_id=f"app_{internship_id}_{draw(st.integers(1, 2))}",
                internship_id=internship_id,
                company_id=company_id,
                state=draw(st.sampled_from(STAGES)),
                version=draw(st.integers(1, 5)),
                time=time,
                answered_offer=draw(st.sampled_from(("", "HIRED", "WITHDRAWN"))),
                response_s=draw(st.none() | st.integers(0, 10_000)),
            )
        case "listing":
            return ListingEvent(
                internship_id=internship_id,
                company_id=company_id,
                state=draw(st.sampled_from(("DRAFT", "OPEN", "CLOSED", "DELETED"))),
                version=draw(st.integers(1, 5)),
                time=time,
            )
        case _:
            return ViewsEvent(
                internship_id=internship_id, company_id=company_id, views=draw(st.integers(1, 9)), time=time
            )


class StoredFigures:
    """The stored documents, as the repository keeps them."""

    def __init__(self) -> None:
        self.tracks: dict[str, ApplicationTrack] = {}
        self.listing_tracks: dict[str, ListingTrack] = {}
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self.times: dict[str, datetime] = {}

    def handle(self, events: Sequence[FigureEvent]) -> None:
        batch = EventBatch(self.tracks, self.listing_tracks)
        batch.count(events)
        self.tracks |= batch.changed_tracks
        for id_, change in {**batch.listings, **batch.companies}.items():
            self.counts[id_].update(change.counts)
            self.times[id_] = max(self.times.get(id_, START), change.as_of_time)
            if change.listing is not None:
                self.listing_tracks[id_] = change.listing

    def seen(self) -> object:
        counts = {id_: {name: n for name, n in each.items() if n} for id_, each in self.counts.items()}
        return self.tracks, self.listing_tracks, counts, self.times


@given(st.lists(figure_events(), max_size=20), st.lists(st.integers(1, 6), min_size=20, max_size=20))
def test_any_cut_into_batches_gives_the_figures_of_counting_one_by_one(
    events: list[FigureEvent], sizes: list[int]
) -> None:
    alone, in_batches = StoredFigures(), StoredFigures()
    for event in events:
        alone.handle([event])
    left = list(events)
    for size in sizes:
        in_batches.handle(left[:size])
        left = left[size:]
    assert in_batches.seen() == alone.seen()


@given(st.lists(figure_events(), max_size=12))
def test_the_figures_of_listings_add_up_to_those_of_their_companies(
    events: list[FigureEvent],
) -> None:
    stored = StoredFigures()
    stored.handle(events)
    for company in ("cmp_1", "cmp_2"):
        of_listings: Counter[str] = Counter()
        for listing, owner in LISTINGS.items():
            if owner == company:
                of_listings.update(stored.counts[listing])
                of_listings.update(stored.listing_tracks.get(listing, ListingTrack()).figures)
        assert +of_listings == +stored.counts[company]

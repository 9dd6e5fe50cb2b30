"""The figures, as a pure function of events."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.analytics.domain.figures import (
    OFFER_ANSWERS,
    STAGES,
    ApplicationEvent,
    ApplicationTrack,
    FigureCounts,
    ListingEvent,
    ListingTrack,
    acceptance_rate,
    figure_changes,
    histogram_bucket,
    histogram_median,
)

START = datetime(2026, 3, 1, tzinfo=UTC)


def event(state: str, version: int, **more: object) -> ApplicationEvent:
    return ApplicationEvent(
        application_id="app_1",
        internship_id="int_1",
        company_id="cmp_1",
        state=state,
        version=version,
        time=START + timedelta(hours=version),
        **more,  # type: ignore[arg-type]
    )


def counted(events: Iterable[ApplicationEvent]) -> FigureCounts:
    """Return the figures as the store builds them: by adding up what each event changes."""
    track, figures = ApplicationTrack(id="app_1", internship_id="int_1"), Counter[str]()
    before: FigureCounts = {}
    for each in events:
        track = track.with_event(each)
        for name, change in figure_changes(before, track.figures).items():
            figures[name] += change
        before = track.figures
    return {name: count for name, count in figures.items() if count}


@st.composite
def histories(draw: st.DrawFn) -> list[ApplicationEvent]:
    """Draw one application's events in their order; stages may come again."""
    states = ["SUBMITTED", *draw(st.lists(st.sampled_from(STAGES[1:]), max_size=12))]
    first_response = draw(st.none() | st.integers(min_value=1, max_value=len(states)))
    return [
        event(
            state,
            version,
            answered_offer=state if before == "OFFERED" and state in OFFER_ANSWERS else "",
            response_s=version * 1000 if version == first_response else None,
        )
        for version, (before, state) in enumerate(zip(["", *states], states, strict=False), start=1)
    ]


@given(histories().flatmap(lambda history: st.tuples(st.just(history), st.permutations(history))))
def test_any_order_of_the_same_events_gives_the_same_figures(
    orders: tuple[list[ApplicationEvent], list[ApplicationEvent]],
) -> None:
    happened, arrived = orders
    assert counted(arrived) == counted(happened)


@given(histories(), st.data())
def test_repeated_events_change_no_figure(history: list[ApplicationEvent], data: st.DataObject) -> None:
    repeats = data.draw(st.lists(st.sampled_from(history), max_size=10))
    assert counted([*history, *repeats]) == counted(history)


@given(histories())
def test_an_application_is_in_one_stage_and_counts_once_in_each_it_was_in(
    history: list[ApplicationEvent],
) -> None:
    figures = counted(history)
    assert figures["applications"] == 1
    assert {name: count for name, count in figures.items() if name.startswith("current.")} == {
        f"current.{history[-1].state}": 1
    }
    assert {name for name in figures if name.startswith("reached.")} == {
        f"reached.{each.state}" for each in history
    }


def test_a_stage_that_is_entered_again_counts_once() -> None:
    figures = counted(
        [event("SUBMITTED", 1), event("INTERVIEW", 2), event("SHORTLISTED", 3), event("INTERVIEW", 4)]
    )
    assert figures["reached.INTERVIEW"] == 1
    assert figures["current.INTERVIEW"] == 1
    assert "current.SHORTLISTED" not in figures


@given(st.permutations([("DRAFT", 1), ("OPEN", 2), ("PAUSED", 3), ("OPEN", 4), ("FILLED", 5)]))
def test_a_listing_ends_in_its_newest_state_whatever_the_order(changes: list[tuple[str, int]]) -> None:
    track = ListingTrack()
    for state, version in changes:
        track = track.with_event(
            ListingEvent(internship_id="int_1", company_id="cmp_1", state=state, version=version, time=START)
        )
    assert track.figures == {"total_internships": 1, "open_internships": 0}


def test_an_open_listing_counts_as_open() -> None:
    opened = ListingEvent(internship_id="i", company_id="c", state="OPEN", version=2, time=START)
    assert ListingTrack().with_event(opened).figures == {"total_internships": 1, "open_internships": 1}


def test_a_listing_without_events_counts_nowhere() -> None:
    assert ListingTrack().figures == {}


@example([140])
@given(st.lists(st.integers(min_value=1, max_value=90 * 86_400), min_size=1, max_size=60))
def test_the_median_is_right_to_two_percent(seconds: list[int]) -> None:
    exact = sorted(seconds)[(len(seconds) - 1) // 2]
    median = histogram_median(Counter(histogram_bucket(each) for each in seconds))
    assert median is not None
    assert abs(median - exact) <= 0.02 * exact + 0.5, "two percent, and what rounding to seconds adds"


def test_there_is_no_median_before_the_first_response() -> None:
    assert histogram_median({}) is None


@pytest.mark.parametrize(
    ("answers", "rate"), [({}, None), ({"HIRED": 3, "WITHDRAWN": 1}, 0.75), ({"WITHDRAWN": 2}, 0.0)]
)
def test_the_acceptance_rate_is_of_answered_offers(answers: dict[str, int], rate: float | None) -> None:
    assert acceptance_rate(answers) == rate

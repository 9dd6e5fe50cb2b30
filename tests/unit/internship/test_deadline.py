"""Deadlines keep the zone in which they are meant, and what follows from the clock is as of the answer."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from chassis.call_context import CallContext, bind_call, current_call
from internshipconnect.internship.v1 import internship_pb2 as pb
from services.internship.cached_answers import CachedListing, CachedSearchPage, listing_at, search_page_at
from services.internship.domain.derived import days_left, is_open_for_applications, next_clock_change
from services.internship.domain.model import ListingState
from services.internship.domain.rules import posting_violations
from services.internship.mapping.listings import (
    keep_one_deadline,
    listing_to_message,
    posting_from_message,
    posting_to_message,
)
from tests.unit.internship.samples import DEADLINE, NOW, POSTING, listing

END = datetime(2027, 6, 30, 21, 59, 59, tzinfo=UTC)
BERLIN = pb.Internship(apply_deadline_zone="europe/berlin", apply_deadline_date="2027-06-30")


def edited(changed: pb.Internship, *paths: str) -> pb.Internship:
    """Return Berlin's deadline after a partial update."""
    message = posting_to_message(posting_from_message(BERLIN))
    for path in paths:
        message.ClearField(path)  # type: ignore[arg-type]
    message.MergeFrom(changed)
    keep_one_deadline(message, paths)
    return posting_to_message(posting_from_message(message))


def fields_refused(**changes: object) -> list[str]:
    return [each.field for each in posting_violations(replace(POSTING, **changes))]  # type: ignore[arg-type]


def test_a_day_means_its_end_in_its_zone_and_both_are_kept() -> None:
    posting = posting_from_message(BERLIN)
    assert posting.apply_deadline == END
    assert (posting.apply_deadline_zone, posting.apply_deadline_date) == ("Europe/Berlin", "2027-06-30")
    assert posting_from_message(posting_to_message(posting)) == posting


def test_a_day_without_a_zone_ends_in_utc() -> None:
    posting = posting_from_message(pb.Internship(apply_deadline_date="2027-06-30"))
    assert posting.apply_deadline == datetime(2027, 6, 30, 23, 59, 59, tzinfo=UTC)


def test_a_new_moment_takes_the_place_of_a_day() -> None:
    moment = pb.Internship()
    moment.apply_deadline.FromDatetime(DEADLINE)
    after = edited(moment, "apply_deadline")
    assert after.apply_deadline_date == ""
    assert after.apply_deadline_zone == "Europe/Berlin"
    assert after.apply_deadline.ToDatetime(tzinfo=UTC) == DEADLINE


def test_a_new_day_or_zone_moves_the_deadline() -> None:
    later = edited(pb.Internship(apply_deadline_date="2027-07-01"), "apply_deadline_date")
    assert later.apply_deadline.ToDatetime(tzinfo=UTC) == END + timedelta(days=1)
    east = edited(pb.Internship(apply_deadline_zone="Asia/Tokyo"), "apply_deadline_zone")
    assert east.apply_deadline.ToDatetime(tzinfo=UTC) == END - timedelta(hours=7)


def test_what_contradicts_itself_is_named() -> None:
    assert fields_refused(apply_deadline_zone="Mars/Olympus") == ["applyDeadlineZone"]
    assert fields_refused(apply_deadline_date="2027-06-30") == ["applyDeadlineDate"]
    assert fields_refused(apply_deadline=None, apply_deadline_date="2027-02-30") == ["applyDeadlineDate"]
    assert fields_refused(apply_deadline_zone="Europe/Berlin") == []


@pytest.mark.parametrize("seconds", [0, 1, 86_399, 86_400, 14 * 86_400 - 1, 14 * 86_400, 15 * 86_400])
@pytest.mark.parametrize("opens_after", [None, 3 * 86_400])
def test_an_answer_from_a_cache_is_as_of_now(seconds: int, opens_after: int | None) -> None:
    opens = None if opens_after is None else NOW + timedelta(seconds=opens_after)
    stored = listing(ListingState.OPEN, apply_open_time=opens)
    raw = CachedListing.from_listing(stored, listing_to_message(stored, NOW)).SerializeToString()
    later = NOW + timedelta(seconds=seconds)
    bind_call(CallContext())
    message = pb.Internship.FromString(listing_at(raw, later))
    assert message == listing_to_message(stored, later)
    assert message.days_left == days_left(DEADLINE, later)
    assert message.open_for_applications == is_open_for_applications(stored, later)
    change = next_clock_change(opens, DEADLINE, later)
    assert current_call().max_age_s == (None if change is None else (change - later).total_seconds())


def test_nothing_changes_before_the_next_change() -> None:
    opens = NOW + timedelta(hours=5)
    at, opening = NOW, listing(ListingState.OPEN, apply_open_time=opens)
    while (change := next_clock_change(opens, DEADLINE, at)) is not None:
        just_before = change - timedelta(milliseconds=1)
        of = [
            (
                days_left(DEADLINE, moment),
                is_open_for_applications(opening, moment),
            )
            for moment in (at, just_before, change)
        ]
        assert of[0] == of[1] != of[2]
        at = change
    assert at == DEADLINE


def test_a_page_of_hits_is_good_until_the_first_of_them_changes() -> None:
    page = pb.ListInternshipsResponse()
    for hours in (30, 50):
        page.data.add().apply_deadline.FromDatetime(NOW + timedelta(hours=hours))
    raw = CachedSearchPage.from_page(page, NOW).SerializeToString()
    bind_call(CallContext())
    kept: Message = pb.ListInternshipsResponse.FromString(
        search_page_at(raw, NOW + timedelta(hours=1)) or b""
    )
    assert kept == page
    assert current_call().max_age_s == 3600.0
    assert search_page_at(raw, NOW + timedelta(hours=2)) is None


@given(
    st.lists(st.integers(-3 * 86_400, 3 * 86_400), min_size=1, max_size=12), st.none() | st.integers(-2, 2)
)
def test_an_answer_from_the_cache_is_that_of_the_clock_whatever_was_asked_before(
    seconds: list[int], opens_in_days: int | None
) -> None:
    bind_call(CallContext())
    opens = None if opens_in_days is None else DEADLINE + timedelta(days=opens_in_days)
    known = listing(ListingState.OPEN, apply_open_time=opens)
    raw = CachedListing.from_listing(known, listing_to_message(known, NOW)).SerializeToString()
    for each in seconds:
        now = DEADLINE + timedelta(seconds=each)
        answer = pb.Internship.FromString(listing_at(raw, now))
        assert answer.days_left == days_left(DEADLINE, now)
        assert answer.open_for_applications == is_open_for_applications(known, now)

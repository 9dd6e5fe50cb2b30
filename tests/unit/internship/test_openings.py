"""Openings are taken and freed once each, whatever arrives in what order."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import DomainError
from services.internship.domain.model import Listing, ListingState
from services.internship.domain.openings import (
    OpeningClaim,
    follow_application,
    release_opening,
    reserve_opening,
    take_opening,
)
from tests.unit.internship.samples import DEADLINE, NOW, listing

APP = "app_01JD0000000000000000000000"


def taken(at: Listing, version: int = 3) -> tuple[Listing, OpeningClaim]:
    return take_opening(at, None, APP, version, NOW)


def test_the_last_opening_fills_an_open_listing() -> None:
    first, _ = taken(listing(ListingState.OPEN))
    assert (first.hires, first.state) == (1, ListingState.OPEN)
    second, _ = take_opening(first, None, APP, 3, NOW)
    assert (second.hires, second.state) == (2, ListingState.FILLED)


def test_taking_again_changes_nothing() -> None:
    once, claim = taken(listing(ListingState.OPEN))
    twice, same = take_opening(once, claim, APP, 3, NOW + timedelta(days=1))
    assert twice is once
    assert same == claim


def test_nobody_is_hired_beyond_the_openings() -> None:
    with pytest.raises(DomainError) as refused:
        taken(listing(ListingState.FILLED, hires=2))
    assert refused.value.reason == "NO_OPENING_LEFT"


@pytest.mark.parametrize("state", [ListingState.PAUSED, ListingState.EXPIRED, ListingState.CLOSED])
def test_after_intake_has_ended_those_who_applied_may_still_be_hired(state: ListingState) -> None:
    assert taken(listing(state))[0].hires == 1


@pytest.mark.parametrize("state", [ListingState.ARCHIVED, ListingState.SUSPENDED, ListingState.DRAFT])
def test_a_listing_that_has_ended_hires_nobody(state: ListingState) -> None:
    with pytest.raises(DomainError, match="NO_OPENING_LEFT"):
        taken(listing(state))


def test_a_freed_opening_opens_a_filled_listing_while_its_deadline_is_ahead() -> None:
    filled, claim = taken(listing(ListingState.OPEN, openings=1))
    freed, after = release_opening(filled, claim, 5, NOW)
    assert (freed.hires, freed.state, after.taken) == (0, ListingState.OPEN, False)


def test_a_freed_opening_leaves_a_late_listing_filled() -> None:
    filled, claim = taken(listing(ListingState.OPEN, openings=1))
    freed, _ = release_opening(filled, claim, 5, DEADLINE)
    assert (freed.hires, freed.state) == (0, ListingState.FILLED)


def test_a_release_of_an_earlier_hire_does_not_free_a_newer_one() -> None:
    filled, claim = taken(listing(ListingState.OPEN, openings=1), version=3)
    again, renewed = take_opening(filled, claim, APP, 7, NOW)
    late, unchanged = release_opening(again, renewed, 5, NOW)
    assert late.hires == 1
    assert unchanged.taken


def test_a_late_take_of_a_freed_opening_is_refused() -> None:
    filled, claim = taken(listing(ListingState.OPEN, openings=1), version=3)
    freed, after = release_opening(filled, claim, 5, NOW)
    with pytest.raises(DomainError) as refused:
        take_opening(freed, after, APP, 3, NOW)
    assert refused.value.reason == "UNEXPECTED_STATE"


def test_hired_again_after_a_release_the_application_takes_an_opening_again() -> None:
    filled, claim = taken(listing(ListingState.OPEN, openings=1), version=3)
    freed, after = release_opening(filled, claim, 5, NOW)
    again, renewed = take_opening(freed, after, APP, 6, NOW)
    assert (again.hires, again.state, renewed.taken) == (1, ListingState.FILLED, True)


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.booleans(), st.integers(1, 9)), max_size=40))
def test_hires_always_equal_the_claims_that_are_taken(moves: list[tuple[str, bool, int]]) -> None:
    at, claims = listing(ListingState.OPEN), dict[str, OpeningClaim]()
    for name, takes, version in moves:
        try:
            if takes:
                at, claims[name] = take_opening(at, claims.get(name), name, version, NOW)
            elif name in claims:
                at, claims[name] = release_opening(at, claims[name], version, NOW)
        except DomainError as refused:
            assert refused.reason in {"NO_OPENING_LEFT", "UNEXPECTED_STATE"}
        assert at.hires == sum(claim.taken for claim in claims.values()) <= at.posting.openings
        assert (at.state is ListingState.FILLED) == at.is_full


def test_an_offer_is_refused_when_the_openings_are_taken_or_offered_and_says_what_to_do() -> None:
    at, _ = reserve_opening(listing(ListingState.OPEN, openings=1), None, APP, 3, NOW)
    with pytest.raises(DomainError, match="WAITLISTED, or add an opening") as refused:
        reserve_opening(at, None, "app_other", 3, NOW)
    assert refused.value.reason == "NO_OPENING_LEFT"


@pytest.mark.parametrize(
    "state",
    [
        ListingState.FILLED,
        ListingState.CLOSED,
        ListingState.ARCHIVED,
        ListingState.SUSPENDED,
        ListingState.DRAFT,
    ],
)
def test_a_listing_that_has_ended_makes_no_offers(state: ListingState) -> None:
    with pytest.raises(DomainError, match="NO_OPENING_LEFT"):
        reserve_opening(listing(state), None, APP, 3, NOW)


actions = st.sampled_from(["reserve", "take", "release", "offer again"])


@given(st.lists(st.tuples(st.sampled_from("ABCD"), actions, st.integers(1, 9)), max_size=60))
def test_offers_and_hires_equal_their_claims_and_fit_the_openings(moves: list[tuple[str, str, int]]) -> None:
    at, claims = listing(ListingState.OPEN), dict[str, OpeningClaim]()
    for name, action, version in moves:
        try:
            if action in ("reserve", "take"):
                act = reserve_opening if action == "reserve" else take_opening
                at, claims[name] = act(at, claims.get(name), name, version, NOW)
            elif name in claims:
                at, claims[name] = follow_application(
                    at, claims[name], version, NOW, offered=action == "offer again"
                )
        except DomainError as refused:
            assert refused.reason in {"NO_OPENING_LEFT", "UNEXPECTED_STATE"}
        assert at.hires == sum(claim.taken for claim in claims.values())
        assert at.offers == sum(claim.offered for claim in claims.values())
        assert at.taken_or_offered <= at.posting.openings
        assert not any(claim.taken and claim.offered for claim in claims.values())
        assert (at.state is ListingState.FILLED) == at.is_full

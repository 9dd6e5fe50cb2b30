"""The listing's state machine against the domain's table."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.contracts import list_services, rpcs_of_service
from chassis.errors import AllowedTransition, DomainError
from internshipconnect.errors.v1.reason_pb2 import REASON_ILLEGAL_TRANSITION
from services.internship.domain.model import (
    MAX_HISTORY_LENGTH,
    SYSTEM_ACTOR,
    Actor,
    ActorKind,
    Listing,
    ListingCompany,
    ListingState,
)
from services.internship.domain.transitions import (
    LISTING_TRANSITIONS,
    MOVES_BY_CALL,
    allowed_moves,
    allowed_targets,
    move_listing,
    publish_listing,
    reopen_listing,
    revise_posting,
    settle_listing,
)
from tests.unit.internship.samples import COMPANY, DEADLINE, MODERATOR, NOW, OWNER, POSTING, listing

TABLE = """
DRAFT -> PENDING_REVIEW OPEN ARCHIVED
PENDING_REVIEW -> OPEN CHANGES_REQUESTED DRAFT
CHANGES_REQUESTED -> PENDING_REVIEW ARCHIVED
OPEN -> PAUSED FILLED EXPIRED CLOSED SUSPENDED
PAUSED -> OPEN CLOSED EXPIRED
EXPIRED -> OPEN CLOSED ARCHIVED
FILLED -> OPEN CLOSED ARCHIVED
CLOSED -> DRAFT ARCHIVED
SUSPENDED -> OPEN ARCHIVED
"""
DOMAIN = {
    (ListingState(source), ListingState(target))
    for source, _, *targets in map(str.split, TABLE.strip().splitlines())
    for target in targets
}
BY_SYSTEM = {
    ("OPEN", "FILLED"),
    ("OPEN", "EXPIRED"),
    ("PAUSED", "EXPIRED"),
    ("FILLED", "OPEN"),
    ("SUSPENDED", "ARCHIVED"),
}
BY_MODERATOR = {
    ("PENDING_REVIEW", "OPEN"),
    ("PENDING_REVIEW", "CHANGES_REQUESTED"),
    ("CHANGES_REQUESTED", "ARCHIVED"),
    ("OPEN", "SUSPENDED"),
    ("SUSPENDED", "OPEN"),
    ("SUSPENDED", "ARCHIVED"),
}


def test_the_table_of_moves_is_the_domains() -> None:
    assert set(LISTING_TRANSITIONS) == DOMAIN


def test_only_the_system_fills_and_expires_and_only_moderators_moderate() -> None:
    assert {
        move for move, rule in LISTING_TRANSITIONS.items() if ActorKind.SYSTEM in rule.actor_kinds
    } == BY_SYSTEM
    assert {
        move for move, rule in LISTING_TRANSITIONS.items() if ActorKind.MODERATOR in rule.actor_kinds
    } == BY_MODERATOR
    for pair, rule in LISTING_TRANSITIONS.items():
        shared = {("FILLED", "OPEN"), ("CHANGES_REQUESTED", "ARCHIVED")}
        assert (ActorKind.COMPANY in rule.actor_kinds) == (pair not in (BY_SYSTEM | BY_MODERATOR) - shared)


def test_a_complete_draft_is_published_with_its_companys_present_name() -> None:
    renamed = ListingCompany(id=COMPANY.id, name="Acme", url="")
    opened = publish_listing(listing(), renamed, OWNER, NOW, trusted=True)
    assert (opened.state, opened.company, opened.publish_time, opened.version) == (
        ListingState.OPEN,
        renamed,
        NOW,
        2,
    )


def test_publishing_names_every_field_that_is_missing() -> None:
    bare = replace(listing(), posting=replace(POSTING, title=" ", compensation=None, apply_deadline=None))
    with pytest.raises(DomainError) as refused:
        publish_listing(bare, COMPANY, OWNER, NOW, trusted=True)
    assert refused.value.reason == "INTERNSHIP_INCOMPLETE"
    assert [wrong.field for wrong in refused.value.violations] == ["title", "compensation", "applyDeadline"]


@pytest.mark.parametrize("state", [ListingState.PAUSED, ListingState.EXPIRED, ListingState.FILLED])
def test_a_listing_that_was_open_is_reopened_not_published(state: ListingState) -> None:
    with pytest.raises(DomainError, match="reopened") as refused:
        publish_listing(listing(state), COMPANY, OWNER, NOW, trusted=True)
    assert refused.value.reason == "ILLEGAL_TRANSITION"
    assert AllowedTransition("INTERNSHIP_STATE_OPEN", "ReopenInternship") in refused.value.allowed_transitions


def test_publishing_an_open_listing_again_names_the_allowed_targets() -> None:
    with pytest.raises(DomainError) as refused:
        publish_listing(listing(ListingState.OPEN), COMPANY, OWNER, NOW, trusted=True)
    assert refused.value.metadata == {"state": "INTERNSHIP_STATE_OPEN", "target": "INTERNSHIP_STATE_OPEN"}
    assert refused.value.allowed_transitions == (
        AllowedTransition("INTERNSHIP_STATE_PAUSED", "PauseInternship"),
        AllowedTransition("INTERNSHIP_STATE_CLOSED", "CloseInternship"),
    )


@pytest.mark.parametrize("state", ListingState)
def test_a_refusal_offers_only_moves_that_a_call_makes(state: ListingState) -> None:
    calls: dict[str, Callable[..., Listing]] = {
        "PublishInternship": partial(publish_listing, trusted=True),
        "ReopenInternship": reopen_listing,
    }
    for offered in allowed_moves(listing(state), ActorKind.COMPANY):
        target = ListingState(offered.target.removeprefix("INTERNSHIP_STATE_"))
        assert target in allowed_targets(state, ActorKind.COMPANY)
        if opened := calls.get(offered.rpc_name):
            try:
                assert opened(listing(state), COMPANY, OWNER, NOW).state is target
            except DomainError as error:
                assert error.reason == "INTERNSHIP_INCOMPLETE"


def test_every_verb_of_listings_is_among_the_moves_that_are_offered() -> None:
    refusing = {
        rpc.name
        for service in list_services()
        for rpc in rpcs_of_service(service)
        if service.name == "InternshipService" and REASON_ILLEGAL_TRANSITION in rpc.policy.errors
    }
    assert set(MOVES_BY_CALL) == refusing - {"UpdateInternship", "DeleteInternship", "ModerateInternship"}


def test_an_expired_listing_is_reopened_only_with_a_new_deadline() -> None:
    expired, later = listing(ListingState.EXPIRED), DEADLINE + timedelta(days=1)
    with pytest.raises(DomainError) as refused:
        reopen_listing(expired, COMPANY, OWNER, later)
    assert [wrong.field for wrong in refused.value.violations] == ["applyDeadline"]
    renewed = reopen_listing(
        expired,
        COMPANY,
        OWNER,
        later,
        renew=lambda posting: replace(posting, apply_deadline=later + timedelta(days=7)),
    )
    assert renewed.state is ListingState.OPEN


def test_a_filled_listing_is_reopened_only_with_an_opening_more() -> None:
    filled = listing(ListingState.FILLED, hires=2)
    with pytest.raises(DomainError) as refused:
        reopen_listing(filled, COMPANY, OWNER, NOW)
    assert [wrong.field for wrong in refused.value.violations] == ["openings"]
    assert (
        reopen_listing(filled, COMPANY, OWNER, NOW, renew=lambda posting: replace(posting, openings=3)).state
        is ListingState.OPEN
    )


def test_an_open_listing_cannot_be_changed_into_one_that_could_not_be_published() -> None:
    with pytest.raises(DomainError) as refused:
        revise_posting(listing(ListingState.OPEN), replace(POSTING, description=""), NOW)
    assert refused.value.reason == "INTERNSHIP_INCOMPLETE"
    assert revise_posting(listing(ListingState.PAUSED), replace(POSTING, description=""), NOW).version == 2


def test_openings_cannot_be_cut_below_those_taken() -> None:
    with pytest.raises(DomainError) as refused:
        revise_posting(listing(ListingState.OPEN, hires=2, openings=3), replace(POSTING, openings=1), NOW)
    assert refused.value.violations[0].field == "openings"


def test_cutting_openings_to_those_taken_fills_the_listing() -> None:
    cut = revise_posting(listing(ListingState.OPEN, hires=1), replace(POSTING, openings=1), NOW)
    assert settle_listing(cut, NOW).state is ListingState.FILLED


@pytest.mark.parametrize("state", [ListingState.ARCHIVED, ListingState.SUSPENDED])
def test_archived_and_suspended_listings_cannot_be_edited(state: ListingState) -> None:
    with pytest.raises(DomainError) as refused:
        revise_posting(listing(state), replace(POSTING, title="Another"), NOW)
    assert refused.value.reason == "ILLEGAL_TRANSITION"


def test_a_change_that_changes_nothing_is_no_version() -> None:
    same = listing(ListingState.OPEN)
    assert revise_posting(same, replace(POSTING), NOW) is same


@pytest.mark.parametrize("state", [ListingState.OPEN, ListingState.PAUSED])
def test_a_listing_expires_at_its_deadline_and_not_before(state: ListingState) -> None:
    assert settle_listing(listing(state), DEADLINE - timedelta(milliseconds=1)).state is state
    assert settle_listing(listing(state), DEADLINE).state is ListingState.EXPIRED


def test_the_history_keeps_the_latest_moves_only() -> None:
    walked = listing(ListingState.OPEN)
    for _ in range(MAX_HISTORY_LENGTH):
        walked = move_listing(walked, ListingState.PAUSED, OWNER, NOW)
        walked = reopen_listing(walked, COMPANY, OWNER, NOW)
    assert len(walked.history) == MAX_HISTORY_LENGTH
    assert walked.version == 1 + 2 * MAX_HISTORY_LENGTH


steps = st.lists(
    st.tuples(
        st.sampled_from(list(ListingState)),
        st.sampled_from([OWNER, MODERATOR, SYSTEM_ACTOR]),
        st.sampled_from(["move", "publish", "reopen", "settle", "revise"]),
        st.integers(0, 20),
        st.integers(1, 3),
    ),
    max_size=30,
)


@given(steps)
def test_no_sequence_of_moves_leaves_the_table_and_the_history_replays_to_the_state(
    sequence: list[tuple[ListingState, Actor, str, int, int]],
) -> None:
    walked, now = listing(hires=1), NOW
    for target, actor, verb, days, openings in sequence:
        now += timedelta(days=days)
        before = walked
        try:
            walked = _step(walked, target, actor, verb, now, openings)
        except DomainError as refused:
            assert refused.reason in {"ILLEGAL_TRANSITION", "INTERNSHIP_INCOMPLETE", "INVALID_FIELD"}
        if walked.state is not before.state:
            assert (before.state, walked.state) in DOMAIN
            assert walked.state in allowed_targets(before.state, walked.history[-1].actor)
        _hold_together(walked)


def _step(
    at: Listing, target: ListingState, actor: Actor, verb: str, now: datetime, openings: int
) -> Listing:
    posting = replace(at.posting, openings=openings, apply_deadline=NOW + timedelta(days=20 * openings))
    match verb:
        case "move":
            return move_listing(at, target, actor, now)
        case "publish":
            return publish_listing(at, COMPANY, actor, now, trusted=True)
        case "reopen":
            return reopen_listing(at, COMPANY, actor, now, renew=lambda old: replace(old, openings=openings))
        case "settle":
            return settle_listing(at, now)
    return revise_posting(at, posting, now)


def _hold_together(walked: Listing) -> None:
    state = ListingState.DRAFT
    versions = [change.version for change in walked.history]
    for change in walked.history:
        assert change.source is state
        state = change.target
    assert state is walked.state
    assert versions == sorted(set(versions))
    assert not versions or versions[-1] <= walked.version

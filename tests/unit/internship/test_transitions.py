"""The listing's state machine against the domain's table."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.contracts import all_services, rpcs_of
from chassis.errors import DomainError, Move
from internshipconnect.errors.v1.reason_pb2 import REASON_ILLEGAL_TRANSITION
from services.internship.domain.model import HISTORY_LENGTH, SYSTEM, Actor, Company, Listing, Mover, State
from services.internship.domain.transitions import (
    CALLS,
    RULES,
    allowed,
    move,
    moves_of,
    publish,
    reopen,
    revise,
    settle,
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
    (State(source), State(target))
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
    assert set(RULES) == DOMAIN


def test_only_the_system_fills_and_expires_and_only_moderators_moderate() -> None:
    assert {move for move, rule in RULES.items() if Actor.SYSTEM in rule.who} == BY_SYSTEM
    assert {move for move, rule in RULES.items() if Actor.MODERATOR in rule.who} == BY_MODERATOR
    for pair, rule in RULES.items():
        shared = {("FILLED", "OPEN"), ("CHANGES_REQUESTED", "ARCHIVED")}
        assert (Actor.COMPANY in rule.who) == (pair not in (BY_SYSTEM | BY_MODERATOR) - shared)


def test_a_complete_draft_is_published_with_its_companys_present_name() -> None:
    renamed = Company(id=COMPANY.id, name="Acme", url="")
    opened = publish(listing(), renamed, OWNER, NOW, trusted=True)
    assert (opened.state, opened.company, opened.publish_time, opened.version) == (
        State.OPEN,
        renamed,
        NOW,
        2,
    )


def test_publishing_names_every_field_that_is_missing() -> None:
    bare = replace(listing(), posting=replace(POSTING, title=" ", compensation=None, apply_deadline=None))
    with pytest.raises(DomainError) as refused:
        publish(bare, COMPANY, OWNER, NOW, trusted=True)
    assert refused.value.reason == "INTERNSHIP_INCOMPLETE"
    assert [wrong.field for wrong in refused.value.violations] == ["title", "compensation", "applyDeadline"]


@pytest.mark.parametrize("state", [State.PAUSED, State.EXPIRED, State.FILLED])
def test_a_listing_that_was_open_is_reopened_not_published(state: State) -> None:
    with pytest.raises(DomainError, match="reopened") as refused:
        publish(listing(state), COMPANY, OWNER, NOW, trusted=True)
    assert refused.value.reason == "ILLEGAL_TRANSITION"
    assert Move("INTERNSHIP_STATE_OPEN", "ReopenInternship") in refused.value.moves


def test_publishing_an_open_listing_again_names_the_allowed_targets() -> None:
    with pytest.raises(DomainError) as refused:
        publish(listing(State.OPEN), COMPANY, OWNER, NOW, trusted=True)
    assert refused.value.metadata == {"state": "INTERNSHIP_STATE_OPEN", "target": "INTERNSHIP_STATE_OPEN"}
    assert refused.value.moves == (
        Move("INTERNSHIP_STATE_PAUSED", "PauseInternship"),
        Move("INTERNSHIP_STATE_CLOSED", "CloseInternship"),
    )


@pytest.mark.parametrize("state", State)
def test_a_refusal_offers_only_moves_that_a_call_makes(state: State) -> None:
    calls: dict[str, Callable[..., Listing]] = {
        "PublishInternship": partial(publish, trusted=True),
        "ReopenInternship": reopen,
    }
    for offered in moves_of(listing(state), Actor.COMPANY):
        target = State(offered.target.removeprefix("INTERNSHIP_STATE_"))
        assert target in allowed(state, Actor.COMPANY)
        if opened := calls.get(offered.call):
            try:
                assert opened(listing(state), COMPANY, OWNER, NOW).state is target
            except DomainError as error:
                assert error.reason == "INTERNSHIP_INCOMPLETE"


def test_every_verb_of_listings_is_among_the_moves_that_are_offered() -> None:
    refusing = {
        rpc.name
        for service in all_services()
        for rpc in rpcs_of(service)
        if service.name == "InternshipService" and REASON_ILLEGAL_TRANSITION in rpc.policy.errors
    }
    assert set(CALLS) == refusing - {"UpdateInternship", "DeleteInternship", "ModerateInternship"}


def test_an_expired_listing_is_reopened_only_with_a_new_deadline() -> None:
    expired, later = listing(State.EXPIRED), DEADLINE + timedelta(days=1)
    with pytest.raises(DomainError) as refused:
        reopen(expired, COMPANY, OWNER, later)
    assert [wrong.field for wrong in refused.value.violations] == ["applyDeadline"]
    renewed = reopen(
        expired,
        COMPANY,
        OWNER,
        later,
        renew=lambda posting: replace(posting, apply_deadline=later + timedelta(days=7)),
    )
    assert renewed.state is State.OPEN


def test_a_filled_listing_is_reopened_only_with_an_opening_more() -> None:
    filled = listing(State.FILLED, hires=2)
    with pytest.raises(DomainError) as refused:
        reopen(filled, COMPANY, OWNER, NOW)
    assert [wrong.field for wrong in refused.value.violations] == ["openings"]
    assert (
        reopen(filled, COMPANY, OWNER, NOW, renew=lambda posting: replace(posting, openings=3)).state
        is State.OPEN
    )


def test_an_open_listing_cannot_be_changed_into_one_that_could_not_be_published() -> None:
    with pytest.raises(DomainError) as refused:
        revise(listing(State.OPEN), replace(POSTING, description=""), NOW)
    assert refused.value.reason == "INTERNSHIP_INCOMPLETE"
    assert revise(listing(State.PAUSED), replace(POSTING, description=""), NOW).version == 2


def test_openings_cannot_be_cut_below_those_taken() -> None:
    with pytest.raises(DomainError) as refused:
        revise(listing(State.OPEN, hires=2, openings=3), replace(POSTING, openings=1), NOW)
    assert refused.value.violations[0].field == "openings"


def test_cutting_openings_to_those_taken_fills_the_listing() -> None:
    cut = revise(listing(State.OPEN, hires=1), replace(POSTING, openings=1), NOW)
    assert settle(cut, NOW).state is State.FILLED


@pytest.mark.parametrize("state", [State.ARCHIVED, State.SUSPENDED])
def test_archived_and_suspended_listings_cannot_be_edited(state: State) -> None:
    with pytest.raises(DomainError) as refused:
        revise(listing(state), replace(POSTING, title="Another"), NOW)
    assert refused.value.reason == "ILLEGAL_TRANSITION"


def test_a_change_that_changes_nothing_is_no_version() -> None:
    same = listing(State.OPEN)
    assert revise(same, replace(POSTING), NOW) is same


@pytest.mark.parametrize("state", [State.OPEN, State.PAUSED])
def test_a_listing_expires_at_its_deadline_and_not_before(state: State) -> None:
    assert settle(listing(state), DEADLINE - timedelta(milliseconds=1)).state is state
    assert settle(listing(state), DEADLINE).state is State.EXPIRED


def test_the_history_keeps_the_latest_moves_only() -> None:
    walked = listing(State.OPEN)
    for _ in range(HISTORY_LENGTH):
        walked = move(walked, State.PAUSED, OWNER, NOW)
        walked = reopen(walked, COMPANY, OWNER, NOW)
    assert len(walked.history) == HISTORY_LENGTH
    assert walked.version == 1 + 2 * HISTORY_LENGTH


steps = st.lists(
    st.tuples(
        st.sampled_from(list(State)),
        st.sampled_from([OWNER, MODERATOR, SYSTEM]),
        st.sampled_from(["move", "publish", "reopen", "settle", "revise"]),
        st.integers(0, 20),
        st.integers(1, 3),
    ),
    max_size=30,
)


@given(steps)
def test_no_sequence_of_moves_leaves_the_table_and_the_history_replays_to_the_state(
    sequence: list[tuple[State, Mover, str, int, int]],
) -> None:
    walked, now = listing(hires=1), NOW
    for target, mover, verb, days, openings in sequence:
        now += timedelta(days=days)
        before = walked
        try:
            walked = _step(walked, target, mover, verb, now, openings)
        except DomainError as refused:
            assert refused.reason in {"ILLEGAL_TRANSITION", "INTERNSHIP_INCOMPLETE", "INVALID_FIELD"}
        if walked.state is not before.state:
            assert (before.state, walked.state) in DOMAIN
            assert walked.state in allowed(before.state, walked.history[-1].actor)
        _hold_together(walked)


def _step(at: Listing, target: State, mover: Mover, verb: str, now: datetime, openings: int) -> Listing:
    posting = replace(at.posting, openings=openings, apply_deadline=NOW + timedelta(days=20 * openings))
    match verb:
        case "move":
            return move(at, target, mover, now)
        case "publish":
            return publish(at, COMPANY, mover, now, trusted=True)
        case "reopen":
            return reopen(at, COMPANY, mover, now, renew=lambda old: replace(old, openings=openings))
        case "settle":
            return settle(at, now)
    return revise(at, posting, now)


def _hold_together(walked: Listing) -> None:
    state = State.DRAFT
    versions = [change.version for change in walked.history]
    for change in walked.history:
        assert change.source is state
        state = change.target
    assert state is walked.state
    assert versions == sorted(set(versions))
    assert not versions or versions[-1] <= walked.version

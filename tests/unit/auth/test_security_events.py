"""Chains of security events: whatever is done to stored events is found."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.domain.security_events import (
    BrokenLink,
    ChainHead,
    ChainWalk,
    Performer,
    PerformerKind,
    SecurityEvent,
    SecurityNote,
    SecurityVerb,
    extend_chain,
    redact_address,
)

NOW = datetime(2027, 1, 1, tzinfo=UTC)
KEY, OTHER_KEY = bytes(32), bytes(range(32))
USER = "usr_1"
ADA = Performer(PerformerKind.OWNER, USER, area="192.0.2.0/24", request_id="req-1")
MINUTE = timedelta(minutes=1)
FAILED = SecurityNote(SecurityVerb.SIGN_INS_FAILED, after="5 or more")
Stored = tuple[list[SecurityEvent], ChainHead | None]

notes = st.builds(
    SecurityNote,
    verb=st.sampled_from([verb for verb in SecurityVerb if verb is not SecurityVerb.SIGN_INS_FAILED]),
    target=st.text(max_size=8),
    before=st.text(max_size=8),
    after=st.text(max_size=8),
)


def chain_of(
    *noted: SecurityNote, key: bytes = KEY, user_id: str = USER
) -> tuple[list[SecurityEvent], ChainHead]:
    events, head = [], ChainHead(user_id)
    for number, note in enumerate(noted):
        made, head = extend_chain(head, [(f"sev_{number}", note)], ADA, NOW + number * MINUTE, key)
        events += made
    return events, head


def find_broken_link(stored: Stored, key: bytes = KEY) -> BrokenLink | None:
    events, head = stored
    walk = ChainWalk(USER, key)
    for event in events:
        broken = walk.check_next(event)
        if broken is not None:
            return broken
    return walk.check_end(head)


def three() -> tuple[list[SecurityEvent], ChainHead]:
    verbs = (SecurityVerb.SIGNED_IN, SecurityVerb.PASSWORD_REPLACED, SecurityVerb.PLAN_CHANGED)
    return chain_of(*(SecurityNote(verb) for verb in verbs))


def changed(events: list[SecurityEvent], head: ChainHead) -> Stored:
    other = replace(events[1], note=SecurityNote(SecurityVerb.REAUTHENTICATED))
    return [events[0], other, events[2]], head


def changed_with_its_digest(events: list[SecurityEvent], head: ChainHead) -> Stored:
    other = replace(events[1], note=SecurityNote(SecurityVerb.REAUTHENTICATED))
    return [events[0], replace(other, digest=other.content_digest()), events[2]], head


def removed(events: list[SecurityEvent], head: ChainHead) -> Stored:
    return [events[0], events[2]], head


def removed_and_renumbered(events: list[SecurityEvent], head: ChainHead) -> Stored:
    return [events[0], replace(events[2], number=2)], head


def removed_at_the_end(events: list[SecurityEvent], head: ChainHead) -> Stored:
    return events[:2], head


def removed_at_the_end_with_a_shorter_head(events: list[SecurityEvent], head: ChainHead) -> Stored:
    return events[:2], replace(head, number=2, digest=events[1].digest)


def removed_head(events: list[SecurityEvent], head: ChainHead) -> Stored:
    return events, None


def removed_wholly(events: list[SecurityEvent], head: ChainHead) -> Stored:
    return [], head


def inserted(events: list[SecurityEvent], head: ChainHead) -> Stored:
    return [*events[:2], replace(events[1], id="sev_9"), events[2]], head


def inserted_at_the_end(events: list[SecurityEvent], head: ChainHead) -> Stored:
    added = replace(events[2], number=4, previous=events[2].digest)
    return [*events, replace(added, digest=added.content_digest())], head


def reordered(events: list[SecurityEvent], head: ChainHead) -> Stored:
    return [events[0], replace(events[2], number=2), replace(events[1], number=3)], head


def made_by_another_key(events: list[SecurityEvent], head: ChainHead) -> Stored:
    return chain_of(*(event.note for event in events), key=OTHER_KEY)


def of_another_account(events: list[SecurityEvent], head: ChainHead) -> Stored:
    return chain_of(*(event.note for event in events), user_id="usr_2")


TAMPERING: Final[dict[Callable[[list[SecurityEvent], ChainHead], Stored], int]] = {
    changed: 2,
    changed_with_its_digest: 2,
    removed: 2,
    removed_and_renumbered: 2,
    removed_at_the_end: 3,
    removed_at_the_end_with_a_shorter_head: 2,
    removed_head: 3,
    removed_wholly: 1,
    inserted: 3,
    inserted_at_the_end: 4,
    reordered: 2,
    made_by_another_key: 1,
    of_another_account: 1,
}
"""Changes of three events, and the number of the link that each breaks."""


def test_a_chain_that_nobody_touched_holds() -> None:
    assert find_broken_link(three()) is None
    assert find_broken_link(([], None)) is None


@pytest.mark.parametrize("tamper", TAMPERING, ids=lambda tamper: tamper.__name__)
def test_tampering_breaks_the_first_link_that_it_concerns(
    tamper: Callable[[list[SecurityEvent], ChainHead], Stored],
) -> None:
    broken = find_broken_link(tamper(*three()))
    assert broken is not None
    assert (broken.user_id, broken.number) == (USER, TAMPERING[tamper])


@given(st.lists(notes, min_size=1, max_size=6), st.data())
def test_any_other_order_or_part_of_a_chain_breaks_it(noted: list[SecurityNote], data: st.DataObject) -> None:
    events, head = chain_of(*noted)
    assert find_broken_link((events, head)) is None
    chosen = data.draw(st.lists(st.sampled_from(range(len(events))), max_size=7))
    if chosen != list(range(len(events))):
        assert find_broken_link(([events[index] for index in chosen], head)) is not None


@given(notes, st.sampled_from(["target", "before", "after"]), st.text(max_size=8))
def test_each_word_of_a_note_is_sealed(note: SecurityNote, field: str, text: str) -> None:
    [event], head = chain_of(note)
    changed: dict[str, Any] = {field: text}
    other = replace(event, note=replace(note, **changed))
    assert (find_broken_link(([other], head)) is None) == (getattr(note, field) == text)


@pytest.mark.parametrize("field", ["kind", "id", "acting_for", "area", "request_id"])
def test_who_performed_it_is_sealed(field: str) -> None:
    [event], head = chain_of(SecurityNote(SecurityVerb.SIGNED_IN))
    changed: dict[str, Any] = {field: PerformerKind.STAFF if field == "kind" else "another"}
    other = replace(event, performer=replace(ADA, **changed))
    assert find_broken_link(([other], head)) is not None
    assert find_broken_link(([replace(event, time=NOW + MINUTE)], head)) is not None


def test_failed_sign_ins_are_one_event_in_a_quarter_of_an_hour() -> None:
    head = ChainHead(USER)
    stored: list[SecurityEvent] = []
    for minute in range(0, 40, 5):
        made, head = extend_chain(head, [(f"sev_{minute}", FAILED)], ADA, NOW + minute * MINUTE, KEY)
        stored += made
    assert [(event.time - NOW) // MINUTE for event in stored] == [0, 15, 30]
    assert find_broken_link((stored, head)) is None


@pytest.mark.parametrize(
    ("email", "shown"),
    [("ada@example.org", "a***@example.org"), ("a@b.co", "a***@b.co"), ("@b.co", ""), ("", "")],
)
def test_of_an_address_only_the_first_letter_and_the_domain_are_left(email: str, shown: str) -> None:
    assert redact_address(email) == shown

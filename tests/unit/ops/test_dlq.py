"""The commands `ic dlq`, `ic outbox` and `ic replay`: what they take, and how they say what they found."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from chassis.messaging.dead_letters import DeadLetterMessage, DeadLetterSummary
from internshipconnect.events.v1.events_pb2 import Event, UserVerified
from ops.commands import dlq, outbox
from ops.console import console
from ops.errors import OpsError
from ops.outboxes import OutboxStatus
from ops.time_options import parse_past_time

NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)


def letter() -> DeadLetterMessage:
    event = Event(id="evt_1", type="auth.user.verified", subject="usr_1")
    event.time.FromDatetime(NOW)
    event.data.Pack(UserVerified(user_id="usr_1"))
    return DeadLetterMessage("user-profiles", "evt_1", 8, "RuntimeError: [no] markup", NOW, event)


def test_a_queue_goes_by_its_own_name_and_by_that_of_its_dead_letters() -> None:
    assert (
        dlq.require_queue("search-indexing") == dlq.require_queue("search-indexing.dead") == "search-indexing"
    )
    with pytest.raises(
        OpsError, match="there is no queue 'nowhere'; there are auth-memberships, auth-erasures, "
    ):
        dlq.require_queue("nowhere")


def test_dead_letters_are_chosen_by_ids_or_all() -> None:
    assert dlq.selected_event_ids(["evt_1", "evt_2"], every=False) == frozenset({"evt_1", "evt_2"})
    assert dlq.selected_event_ids(None, every=True) is None
    for ids, every in ((None, False), (["evt_1"], True)):
        with pytest.raises(OpsError, match="say which dead letters"):
            dlq.selected_event_ids(ids, every=every)


def test_a_dead_letter_is_shown_for_reading_and_for_scripts() -> None:
    shown = dlq.letter_json(letter())
    assert json.loads(json.dumps(shown)) == {
        "id": "evt_1",
        "type": "auth.user.verified",
        "subject": "usr_1",
        "time": "2027-03-01T09:00:00+00:00",
        "error": "RuntimeError: [no] markup",
        "attempts": 8,
        "first_failure": "2027-03-01T09:00:00+00:00",
        "trace_id": "",
        "payload": {"user_id": "usr_1"},
    }
    with console.capture() as printed:
        console.print(dlq.letter_text(letter()))
    assert "RuntimeError: [no] markup (attempt 8)" in printed.get()
    assert '{"user_id": "usr_1"}' in printed.get()


def test_a_queue_is_listed_with_the_oldest_and_the_types() -> None:
    summary = DeadLetterSummary("user-profiles", 3, NOW, Counter({"auth.user.verified": 3}))
    assert dlq.summary_json(summary) == {
        "queue": "user-profiles",
        "count": 3,
        "oldest": "2027-03-01T09:00:00+00:00",
        "events": {"auth.user.verified": 3},
    }


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        (OutboxStatus("s1", "auth", holder="auth-work", lease_s=4.25), ("0", "-", "auth-work")),
        (OutboxStatus("s1", "auth", rows=1200, lag_s=75.04), ("1,200", "75.0 s", "nobody")),
        (OutboxStatus("s1", "auth", problem="does not answer: X"), ("-", "-", "does not answer: X")),
    ],
)
def test_an_outbox_shows_rows_lag_and_who_relays_it(status: OutboxStatus, shown: tuple[str, ...]) -> None:
    for cell, says in zip(outbox.outbox_cells(status), shown, strict=True):
        assert says in cell


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("1.5h", NOW - timedelta(minutes=90)),
        ("7d", NOW - timedelta(days=7)),
        ("2027-02-28", datetime(2027, 2, 28, tzinfo=UTC)),
        ("2027-03-01T08:30Z", NOW - timedelta(minutes=30)),
        ("2027-03-01T09:30+01:00", NOW - timedelta(minutes=30)),
    ],
)
def test_since_is_a_time_or_a_duration(text: str, named: datetime) -> None:
    assert parse_past_time(text, NOW) == named


@pytest.mark.parametrize("text", ["yesterday", "5 minutes", "2027-03-02", "99999999d", ""])
def test_since_is_neither_nonsense_nor_in_the_future(text: str) -> None:
    with pytest.raises(OpsError, match="--since takes a time"):
        parse_past_time(text, NOW)

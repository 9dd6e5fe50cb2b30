"""Events that travel together: in their order, and each readable whatever the others are."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from chassis.messaging.message_bodies import (
    BATCH_CONTENT_TYPE,
    EVENT_CONTENT_TYPE,
    MAX_BATCH_BYTES,
    MAX_EVENTS_PER_MESSAGE,
    OutgoingEvent,
    pack_messages,
    read_event_id,
    unpack_bodies,
)
from internshipconnect.events.v1.events_pb2 import Event

_ROWS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=100)


def outgoing(rows: list[tuple[str, int]], size: int = 1) -> list[OutgoingEvent]:
    return [
        OutgoingEvent(f"evt_{number}", kind, b"%d" % number + b"x" * size, slot)
        for number, (kind, slot) in enumerate(rows)
    ]


@given(_ROWS, st.sampled_from([1, MAX_BATCH_BYTES // 5]))
def test_every_event_travels_once_and_those_of_one_slot_in_their_order(
    rows: list[tuple[str, int]], size: int
) -> None:
    events = outgoing(rows, size)
    messages = pack_messages(events)
    sent = [event for message in messages for event in message.events]
    assert sorted(event.id for event in sent) == sorted(event.id for event in events)
    by_slot, expected = defaultdict[int, list[str]](list), defaultdict[int, list[str]](list)
    for event in sent:
        by_slot[event.slot].append(event.id)
    for event in events:
        expected[event.slot].append(event.id)
    assert by_slot == expected
    for message in messages:
        assert {event.type for event in message.events} == {message.routing_key}
        assert len(message.events) <= MAX_EVENTS_PER_MESSAGE
        assert sum(len(event.body) for event in message.events) <= MAX_BATCH_BYTES
        assert list(unpack_bodies(message.content_type, message.body)) == [
            event.body for event in message.events
        ]


def test_events_of_one_type_in_different_slots_share_a_message() -> None:
    rows = [("a", slot) for slot in range(10)] + [("b", 11), ("a", 12)]
    assert [len(message.events) for message in pack_messages(outgoing(rows))] == [11, 1]


def test_a_single_event_is_sent_as_it_is() -> None:
    (message,) = pack_messages(outgoing([("a", 1)]))
    assert (message.content_type, message.body) == (EVENT_CONTENT_TYPE, message.events[0].body)


def test_an_event_larger_than_a_message_may_be_travels_alone() -> None:
    events = outgoing([("a", 1), ("a", 2)], size=MAX_BATCH_BYTES + 1)
    assert [len(message.events) for message in pack_messages(events)] == [1, 1]


def test_what_is_no_batch_is_one_body() -> None:
    assert unpack_bodies(EVENT_CONTENT_TYPE, b"\xff") == [b"\xff"]
    assert unpack_bodies(BATCH_CONTENT_TYPE, b"\xff") == [b"\xff"]
    assert unpack_bodies(BATCH_CONTENT_TYPE, b"") == [b""]


def test_the_id_of_an_event_is_read_from_its_body() -> None:
    assert read_event_id(Event(id="evt_1", type="t").SerializeToString()) == "evt_1"
    assert not read_event_id(b"\xff")

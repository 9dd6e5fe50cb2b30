import asyncio
import json
from collections.abc import AsyncIterator

from google.rpc.status_pb2 import Status

from internshipconnect.notification.v1 import notification_pb2 as pb
from services.notification import server_sent_events as sse

HEARTBEAT_S = 60.0


async def quiet(*events: bytes) -> AsyncIterator[bytes]:
    for event in events:
        yield event
    await asyncio.Event().wait()


def fields_of(event: bytes) -> dict[str, str]:
    """Return an event's lines, as the HTML standard reads them."""
    assert event.endswith(b"\n\n") and event.count(b"\n\n") == 1
    return dict(line.split(": ", 1) for line in event.decode().strip().splitlines())


def test_a_message_is_one_event_whatever_its_text_holds() -> None:
    notification = pb.Notification(
        id="ntf_1", title="Two\nlines\r\rand\u2028more", body="data: x\n\nid: evil"
    )
    fields = fields_of(sse.message_event("ntf_1", notification))
    assert set(fields) == {"id", "data"}
    told = json.loads(fields["data"])
    assert (fields["id"], told["title"], told["body"]) == ("ntf_1", notification.title, notification.body)
    assert told["read"] is False and told["category"] == "NOTIFICATION_CATEGORY_UNSPECIFIED"


def test_an_end_says_why_and_leaves_the_last_id_as_it_is() -> None:
    fields = fields_of(sse.end_event(Status(code=16, message="This session has ended.")))
    assert fields["event"] == "end" and "id" not in fields
    assert json.loads(fields["data"])["message"] == "This session has ended."


def test_the_opening_says_when_to_come_again() -> None:
    assert sse.OPENING_EVENT == b": connected\nretry: 3000\n\n"


async def test_a_quiet_stream_beats_and_loses_nothing_by_it() -> None:
    arrivals: asyncio.Queue[bytes] = asyncio.Queue()

    async def arriving() -> AsyncIterator[bytes]:
        while True:
            yield await arrivals.get()

    stream = sse.with_heartbeats(arriving(), 0.001)
    assert [await anext(stream) for _ in range(3)] == [sse.HEARTBEAT_EVENT] * 3
    arrivals.put_nowait(b"one")
    while (event := await anext(stream)) == sse.HEARTBEAT_EVENT:
        pass
    assert event == b"one"
    await stream.aclose()


async def test_events_are_not_held_back_for_a_heartbeat_and_the_end_ends() -> None:
    async def few() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    assert [event async for event in sse.with_heartbeats(few(), HEARTBEAT_S)] == [b"one", b"two"]


async def test_closing_a_stream_closes_what_it_reads() -> None:
    closed = asyncio.Event()

    async def source() -> AsyncIterator[bytes]:
        try:
            yield b"one"
            await asyncio.Event().wait()
        finally:
            closed.set()

    stream = sse.with_heartbeats(source(), 0.001)
    assert [await anext(stream), await anext(stream)] == [b"one", sse.HEARTBEAT_EVENT]
    await stream.aclose()
    assert closed.is_set()

"""Server-sent events by the HTML standard: their bytes, and comments that keep a quiet stream open."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final

from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status

CONTENT_TYPE: Final = "text/event-stream"
RECONNECT_AFTER_MS: Final = 3_000
OPENING_EVENT: Final = f": connected\nretry: {RECONNECT_AFTER_MS}\n\n".encode()
"""Sent at once, so that the client knows that the stream is open."""
HEARTBEAT_EVENT: Final = b": keep-alive\n\n"


def message_event(id_: str, message: Message) -> bytes:
    """Return an event with the message as JSON, spelled as in all other answers."""
    return f"id: {id_}\ndata: {_json(message)}\n\n".encode()


def end_event(status: Status) -> bytes:
    """Return the last event of a stream that ends with an error; without an ID, so that resuming works."""
    return f"event: end\ndata: {_json(status)}\n\n".encode()


async def with_heartbeats(events: AsyncIterator[bytes], every_s: float) -> AsyncGenerator[bytes, None]:
    """Yield the events, and a comment when there was none for the interval."""
    while True:
        following = asyncio.ensure_future(anext(events, None))
        try:
            while not (await asyncio.wait([following], timeout=every_s))[0]:
                yield HEARTBEAT_EVENT
            event = following.result()
        finally:
            await _cancel_and_wait(following)
        if event is None:
            return
        yield event


async def _cancel_and_wait(following: "asyncio.Future[bytes | None]") -> None:
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


def _json(message: Message) -> str:
    return MessageToJson(message, indent=None, always_print_fields_with_no_presence=True)

"""The aggregated discovery service on the wire, in both variants of the protocol."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

import grpc
from envoy.service.discovery.v3 import ads_pb2_grpc
from envoy.service.discovery.v3.discovery_pb2 import (
    DeltaDiscoveryResponse,
    DiscoveryResponse,
)
from envoy.service.discovery.v3.discovery_pb2 import Resource as NamedResource

from chassis.observability.logging import get_logger
from gateway.control_plane.hub import Hub, TooManyStreamsError
from gateway.control_plane.kinds import Kind
from gateway.control_plane.node import Node, ProtocolError
from gateway.control_plane.stream import Stream
from gateway.control_plane.watch import Delta, Push, Request, StateOfTheWorld, Watch

CONTROL_PLANE: Final = "internshipconnect"
FIRST_REQUEST_S: Final = 30.0

_log = get_logger()


@dataclass(frozen=True)
class Variant:
    """One variant of the protocol: how its messages are read and written."""

    name: str
    new_watch: Callable[[Kind], Watch]
    read: Callable[[Any], Request]
    write: Callable[[Push], Any]


def _read_state_of_the_world(message: Any) -> Request:
    return Request(
        type_url=message.type_url,
        nonce=message.response_nonce,
        names=tuple(message.resource_names),
        error=_error_in(message),
    )


def _read_delta(message: Any) -> Request:
    return Request(
        type_url=message.type_url,
        nonce=message.response_nonce,
        names=tuple(message.resource_names_subscribe),
        dropped=tuple(message.resource_names_unsubscribe),
        known=dict(message.initial_resource_versions),
        error=_error_in(message),
    )


def _error_in(message: Any) -> str | None:
    return (message.error_detail.message or "no reason given") if message.HasField("error_detail") else None


def _write_state_of_the_world(push: Push) -> DiscoveryResponse:
    response = DiscoveryResponse(version_info=push.version, type_url=push.kind.type_url, nonce=push.nonce)
    response.resources.extend(resource.body for resource in push.resources)
    response.control_plane.identifier = CONTROL_PLANE
    return response


def _write_delta(push: Push) -> DeltaDiscoveryResponse:
    response = DeltaDiscoveryResponse(
        system_version_info=push.version, type_url=push.kind.type_url, nonce=push.nonce
    )
    response.resources.extend(
        NamedResource(name=one.name, version=one.version, resource=one.body) for one in push.resources
    )
    response.removed_resources.extend(push.removed)
    response.control_plane.identifier = CONTROL_PLANE
    return response


STATE_OF_THE_WORLD: Final = Variant(
    "state of the world", StateOfTheWorld, _read_state_of_the_world, _write_state_of_the_world
)
DELTA: Final = Variant("delta", Delta, _read_delta, _write_delta)


class Ads(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):  # type: ignore[misc]
    """Answers each stream from the hub until the node goes away or breaks the protocol."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def StreamAggregatedResources(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        async with aclosing(self._answers(requests, context, STATE_OF_THE_WORLD)) as responses:
            async for response in responses:
                yield response

    async def DeltaAggregatedResources(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        async with aclosing(self._answers(requests, context, DELTA)) as responses:
            async for response in responses:
                yield response

    async def _answers(self, requests: Any, context: Any, variant: Variant) -> AsyncGenerator[Any, None]:
        try:
            async with aclosing(conversation(self._hub, requests, variant)) as pushes:
                async for push in pushes:
                    yield variant.write(push)
        except ProtocolError as error:
            _log.warning("stream ended: protocol broken", peer=context.peer(), reason=str(error))
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except TooManyStreamsError as error:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))


async def conversation(
    hub: Hub, requests: AsyncIterator[Any], variant: Variant
) -> AsyncGenerator[Push, None]:
    """The responses of one stream; ends when its requests end.

    Whoever takes a response slowly holds up this stream only, and gets what is newest afterwards.
    Raises ProtocolError and TooManyStreamsError.
    """
    first = await _first(requests)
    if first is None:
        return
    stream, woken = Stream(_node_of(first), variant.new_watch), asyncio.Event()
    leave = hub.join(stream, woken.set)
    _log.info("node connected", node=stream.node.id, node_group=stream.node.group, variant=variant.name)
    reading = asyncio.create_task(_read(first, requests, stream, variant, woken))
    try:
        while True:
            await woken.wait()
            woken.clear()
            while (push := _next_push(stream, reading)) is not None:
                yield push
            if reading.done():
                reading.result()
                return
    finally:
        leave()
        reading.cancel()
        _log.info("node disconnected", node=stream.node.id, node_group=stream.node.group)


async def _first(requests: AsyncIterator[Any]) -> Any:
    try:
        async with asyncio.timeout(FIRST_REQUEST_S):
            return await anext(requests, None)
    except TimeoutError:
        raise ProtocolError(f"a stream has to begin with a request within {FIRST_REQUEST_S:.0f} s") from None


def _next_push(stream: Stream, reading: "asyncio.Task[None]") -> Push | None:
    return None if reading.done() else stream.next_push()


def _node_of(first: Any) -> Node:
    if not first.HasField("node"):
        raise ProtocolError("the first request of a stream has to carry the node")
    return Node.of(first.node)


async def _read(
    first: Any, requests: AsyncIterator[Any], stream: Stream, variant: Variant, woken: asyncio.Event
) -> None:
    try:
        stream.receive(variant.read(first))
        woken.set()
        async for message in requests:
            stream.receive(variant.read(message))
            woken.set()
    finally:
        woken.set()

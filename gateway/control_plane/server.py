"""The control plane's gRPC server: the aggregated discovery service in both variants of xDS."""

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
from envoy.service.status.v3 import csds_pb2_grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health import aio as health_aio

from chassis.observability.logging import get_logger
from gateway.control_plane.csds import ClientStatusServicer
from gateway.control_plane.snapshot_cache import SnapshotCache, TooManyStreamsError
from gateway.control_plane.stream import XdsStream
from gateway.control_plane.subscription import (
    DeltaSubscription,
    SotwSubscription,
    Subscription,
    XdsRequest,
    XdsResponse,
)
from gateway.xds.nodes import XdsNode, XdsProtocolError
from gateway.xds.resource_types import ResourceType

CONTROL_PLANE_IDENTIFIER: Final = "internshipconnect"
FIRST_REQUEST_TIMEOUT_S: Final = 30.0
_SERVER_OPTIONS: Final = (
    ("grpc.max_receive_message_length", 2 * 1024 * 1024),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_concurrent_streams", 1_000),
    ("grpc.so_reuseport", 0),
    # A node that vanished without a word is noticed, and nodes may look whether we are there.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
)

_log = get_logger()


def build_xds_server(hub: SnapshotCache, health: health_aio.HealthServicer | None = None) -> grpc.aio.Server:
    """A server, not started and without a port, that serves the snapshots of a hub."""
    server = grpc.aio.server(options=_SERVER_OPTIONS)
    ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(AggregatedDiscoveryServicer(hub), server)
    csds_pb2_grpc.add_ClientStatusDiscoveryServiceServicer_to_server(ClientStatusServicer(hub), server)
    if health is not None:
        health_pb2_grpc.add_HealthServicer_to_server(health, server)
    return server


@dataclass(frozen=True)
class ProtocolVariant:
    """One variant of the protocol: how its messages are read and written."""

    name: str
    new_watch: Callable[[ResourceType], Subscription]
    read: Callable[[Any], XdsRequest]
    write: Callable[[XdsResponse], Any]


def _parse_sotw_request(message: Any) -> XdsRequest:
    return XdsRequest(
        type_url=message.type_url,
        nonce=message.response_nonce,
        names=tuple(message.resource_names),
        error=_nack_reason_of(message),
    )


def _parse_delta_request(message: Any) -> XdsRequest:
    return XdsRequest(
        type_url=message.type_url,
        nonce=message.response_nonce,
        names=tuple(message.resource_names_subscribe),
        dropped=tuple(message.resource_names_unsubscribe),
        known=dict(message.initial_resource_versions),
        error=_nack_reason_of(message),
    )


def _nack_reason_of(message: Any) -> str | None:
    return (message.error_detail.message or "no reason given") if message.HasField("error_detail") else None


def _sotw_response(push: XdsResponse) -> DiscoveryResponse:
    response = DiscoveryResponse(version_info=push.version, type_url=push.kind.type_url, nonce=push.nonce)
    response.resources.extend(resource.body for resource in push.resources)
    response.control_plane.identifier = CONTROL_PLANE_IDENTIFIER
    return response


def _delta_response(push: XdsResponse) -> DeltaDiscoveryResponse:
    response = DeltaDiscoveryResponse(
        system_version_info=push.version, type_url=push.kind.type_url, nonce=push.nonce
    )
    response.resources.extend(
        NamedResource(name=one.name, version=one.version, resource=one.body) for one in push.resources
    )
    response.removed_resources.extend(push.removed)
    response.control_plane.identifier = CONTROL_PLANE_IDENTIFIER
    return response


SOTW_VARIANT: Final = ProtocolVariant(
    "state of the world", SotwSubscription, _parse_sotw_request, _sotw_response
)
DELTA_VARIANT: Final = ProtocolVariant("delta", DeltaSubscription, _parse_delta_request, _delta_response)


class AggregatedDiscoveryServicer(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):  # type: ignore[misc]
    """Answers each stream from the hub until the node goes away or breaks the protocol."""

    def __init__(self, hub: SnapshotCache) -> None:
        self._hub = hub

    async def StreamAggregatedResources(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        async with aclosing(self._answers(requests, context, SOTW_VARIANT)) as responses:
            async for response in responses:
                yield response

    async def DeltaAggregatedResources(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        async with aclosing(self._answers(requests, context, DELTA_VARIANT)) as responses:
            async for response in responses:
                yield response

    async def _answers(
        self, requests: Any, context: Any, variant: ProtocolVariant
    ) -> AsyncGenerator[Any, None]:
        try:
            async with aclosing(stream_responses(self._hub, requests, variant)) as pushes:
                async for push in pushes:
                    yield variant.write(push)
        except XdsProtocolError as error:
            _log.warning("stream ended: protocol broken", peer=context.peer(), reason=str(error))
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except TooManyStreamsError as error:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))


async def stream_responses(
    hub: SnapshotCache, requests: AsyncIterator[Any], variant: ProtocolVariant
) -> AsyncGenerator[XdsResponse, None]:
    """The responses of one stream; ends when its requests end.

    Whoever takes a response slowly holds up this stream only, and gets what is newest afterwards.
    Raises ProtocolError and TooManyStreamsError.
    """
    first = await _receive_first_request(requests)
    if first is None:
        return
    stream, woken = XdsStream(_parse_node(first), variant.new_watch), asyncio.Event()
    leave = hub.join(stream, woken.set)
    _log.info("node connected", node=stream.node.id, node_group=stream.node.group, variant=variant.name)
    reading = asyncio.create_task(_receive_requests(first, requests, stream, variant, woken))
    try:
        while True:
            await woken.wait()
            woken.clear()
            while (push := _next_response(stream, reading)) is not None:
                yield push
            if reading.done():
                reading.result()
                return
    finally:
        leave()
        reading.cancel()
        _log.info("node disconnected", node=stream.node.id, node_group=stream.node.group)


async def _receive_first_request(requests: AsyncIterator[Any]) -> Any:
    try:
        async with asyncio.timeout(FIRST_REQUEST_TIMEOUT_S):
            return await anext(requests, None)
    except TimeoutError:
        raise XdsProtocolError(
            f"a stream has to begin with a request within {FIRST_REQUEST_TIMEOUT_S:.0f} s"
        ) from None


def _next_response(stream: XdsStream, reading: "asyncio.Task[None]") -> XdsResponse | None:
    return None if reading.done() else stream.next_push()


def _parse_node(first: Any) -> XdsNode:
    if not first.HasField("node"):
        raise XdsProtocolError("the first request of a stream has to carry the node")
    return XdsNode.of(first.node)


async def _receive_requests(
    first: Any,
    requests: AsyncIterator[Any],
    stream: XdsStream,
    variant: ProtocolVariant,
    woken: asyncio.Event,
) -> None:
    try:
        stream.receive(variant.read(first))
        woken.set()
        async for message in requests:
            stream.receive(variant.read(message))
            woken.set()
    finally:
        woken.set()

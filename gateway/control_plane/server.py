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
    Resource,
)
from envoy.service.status.v3 import csds_pb2_grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health import aio as health_aio

from chassis.observability.logging import get_logger
from gateway.control_plane.csds import ClientStatusServicer
from gateway.control_plane.pacing import TooManyStreamsError
from gateway.control_plane.snapshot_cache import SnapshotCache
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
MAX_CONNECTION_AGE_S: Final = 1_800.0
_SERVER_OPTIONS: Final = (
    ("grpc.max_receive_message_length", 2 * 1024 * 1024),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_concurrent_streams", 1_000),
    ("grpc.so_reuseport", 0),
    # Detects a node that vanished, and lets nodes probe this server.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    # A stream never ends by itself, so it ends with its connection.
    ("grpc.max_connection_age_grace_ms", 1_000),
)

_log = get_logger()


def build_xds_server(
    cache: SnapshotCache,
    health: health_aio.HealthServicer | None = None,
    *,
    max_connection_age_s: float = MAX_CONNECTION_AGE_S,
) -> grpc.aio.Server:
    """Build a server of the cache's snapshots. It has no port yet and is not started.

    A connection ends after `max_connection_age_s`, a tenth more or less, so that nodes spread over replicas
    that came later. gRPC chooses for each connection.
    """
    age = ("grpc.max_connection_age_ms", round(max_connection_age_s * 1_000))
    server = grpc.aio.server(options=(*_SERVER_OPTIONS, age))
    ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(AggregatedDiscoveryServicer(cache), server)
    csds_pb2_grpc.add_ClientStatusDiscoveryServiceServicer_to_server(ClientStatusServicer(cache), server)
    if health is not None:
        health_pb2_grpc.add_HealthServicer_to_server(health, server)
    return server


@dataclass(frozen=True)
class ProtocolVariant:
    """One variant of the protocol: how its messages are read and written."""

    name: str
    new_subscription: Callable[[ResourceType], Subscription]
    parse_request: Callable[[Any], XdsRequest]
    serialize_response: Callable[[XdsResponse], Any]


def _parse_sotw_request(message: Any) -> XdsRequest:
    return XdsRequest(
        type_url=message.type_url,
        nonce=message.response_nonce,
        names=tuple(message.resource_names),
        nack_reason=_nack_reason_of(message),
    )


def _parse_delta_request(message: Any) -> XdsRequest:
    return XdsRequest(
        type_url=message.type_url,
        nonce=message.response_nonce,
        names=tuple(message.resource_names_subscribe),
        unsubscribed=tuple(message.resource_names_unsubscribe),
        initial_versions=dict(message.initial_resource_versions),
        nack_reason=_nack_reason_of(message),
    )


def _nack_reason_of(message: Any) -> str | None:
    return (message.error_detail.message or "no reason given") if message.HasField("error_detail") else None


def _sotw_response(response: XdsResponse) -> DiscoveryResponse:
    message = DiscoveryResponse(
        version_info=response.version, type_url=response.resource_type.type_url, nonce=response.nonce
    )
    message.resources.extend(resource.body for resource in response.resources)
    message.control_plane.identifier = CONTROL_PLANE_IDENTIFIER
    return message


def _delta_response(response: XdsResponse) -> DeltaDiscoveryResponse:
    message = DeltaDiscoveryResponse(
        system_version_info=response.version, type_url=response.resource_type.type_url, nonce=response.nonce
    )
    message.resources.extend(
        Resource(name=one.name, version=one.version, resource=one.body) for one in response.resources
    )
    message.removed_resources.extend(response.removed)
    message.control_plane.identifier = CONTROL_PLANE_IDENTIFIER
    return message


SOTW_VARIANT: Final = ProtocolVariant(
    "state of the world", SotwSubscription, _parse_sotw_request, _sotw_response
)
DELTA_VARIANT: Final = ProtocolVariant("delta", DeltaSubscription, _parse_delta_request, _delta_response)


class AggregatedDiscoveryServicer(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):  # type: ignore[misc]
    """Answers each stream from the cache until the node disconnects or breaks the protocol."""

    def __init__(self, cache: SnapshotCache) -> None:
        self._cache = cache

    async def StreamAggregatedResources(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        async with aclosing(self._responses(requests, context, SOTW_VARIANT)) as responses:
            async for response in responses:
                yield response

    async def DeltaAggregatedResources(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        async with aclosing(self._responses(requests, context, DELTA_VARIANT)) as responses:
            async for response in responses:
                yield response

    async def _responses(
        self, requests: Any, context: Any, variant: ProtocolVariant
    ) -> AsyncGenerator[Any, None]:
        try:
            async with aclosing(stream_responses(self._cache, requests, variant)) as responses:
                async for response in responses:
                    yield variant.serialize_response(response)
        except XdsProtocolError as error:
            _log.warning("stream closed: protocol error", peer=context.peer(), reason=str(error))
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except TooManyStreamsError as error:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))


async def stream_responses(
    cache: SnapshotCache, requests: AsyncIterator[Any], variant: ProtocolVariant
) -> AsyncGenerator[XdsResponse, None]:
    """Yield the responses of one stream until its requests end.

    A node that reads slowly delays its own stream only, and gets the newest snapshot afterwards.
    Raises XdsProtocolError and TooManyStreamsError.
    """
    first = await _receive_first_request(requests)
    if first is None:
        return
    stream, wake_event = XdsStream(_parse_node(first), variant.new_subscription), asyncio.Event()
    await cache.admit()
    served, remove_stream = cache.add_stream(stream, wake_event.set)
    _log.info("node connected", node=stream.node.id, node_group=stream.node.group, variant=variant.name)
    receiver = asyncio.create_task(_receive_requests(first, requests, stream, variant, wake_event))
    try:
        while True:
            await wake_event.wait()
            wake_event.clear()
            served.take_offered()
            while (response := _next_response(stream, receiver)) is not None:
                yield response
            if receiver.done():
                receiver.result()
                return
    finally:
        remove_stream()
        receiver.cancel()
        _log.info("node disconnected", node=stream.node.id, node_group=stream.node.group)


async def _receive_first_request(requests: AsyncIterator[Any]) -> Any:
    try:
        async with asyncio.timeout(FIRST_REQUEST_TIMEOUT_S):
            return await anext(requests, None)
    except TimeoutError:
        raise XdsProtocolError(
            f"a stream has to begin with a request within {FIRST_REQUEST_TIMEOUT_S:.0f} s"
        ) from None


def _next_response(stream: XdsStream, receiver: "asyncio.Task[None]") -> XdsResponse | None:
    return None if receiver.done() else stream.next_response()


def _parse_node(first: Any) -> XdsNode:
    if not first.HasField("node"):
        raise XdsProtocolError("the first request of a stream has to carry the node")
    return XdsNode.from_proto(first.node)


async def _receive_requests(
    first: Any,
    requests: AsyncIterator[Any],
    stream: XdsStream,
    variant: ProtocolVariant,
    wake_event: asyncio.Event,
) -> None:
    try:
        stream.receive(variant.parse_request(first))
        wake_event.set()
        async for message in requests:
            stream.receive(variant.parse_request(message))
            wake_event.set()
    finally:
        wake_event.set()

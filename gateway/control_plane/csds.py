"""The client status discovery service: what each connected node has confirmed."""

from collections.abc import AsyncIterator
from typing import Any, Final

from envoy.admin.v3.config_dump_shared_pb2 import UpdateFailureState
from envoy.service.status.v3 import csds_pb2_grpc
from envoy.service.status.v3.csds_pb2 import ClientConfig, ClientStatusResponse, ConfigStatus

from gateway.control_plane.snapshot_cache import SnapshotCache
from gateway.control_plane.stream import XdsStream
from gateway.control_plane.subscription import Subscription, SubscriptionState

_CONFIG_STATUS: Final = {
    SubscriptionState.NOT_SENT: ConfigStatus.NOT_SENT,
    SubscriptionState.SYNCED: ConfigStatus.SYNCED,
    SubscriptionState.STALE: ConfigStatus.STALE,
    SubscriptionState.ERROR: ConfigStatus.ERROR,
}


class ClientStatusServicer(csds_pb2_grpc.ClientStatusDiscoveryServiceServicer):  # type: ignore[misc]
    """One `ClientConfig` for each stream; in it one entry for each type that the node asks for."""

    def __init__(self, hub: SnapshotCache) -> None:
        self._hub = hub

    async def FetchClientStatus(self, request: Any, _context: Any) -> Any:
        return self._status(request)

    async def StreamClientStatus(self, requests: AsyncIterator[Any], _context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            yield self._status(request)

    def _status(self, request: Any) -> Any:
        wanted = {matcher.node_id.exact for matcher in request.node_matchers if matcher.node_id.exact}
        streams = [one for one in self._hub.streams() if not wanted or one.node.id in wanted]
        return ClientStatusResponse(config=[_client_config(stream) for stream in streams])


def _client_config(stream: XdsStream) -> Any:
    config = ClientConfig()
    config.node.id = stream.node.id
    config.node.cluster = stream.node.group
    config.node.locality.region = stream.node.region
    for watch in stream.watches.values():
        config.generic_xds_configs.append(_generic_xds_config(stream, watch))
    return config


def _generic_xds_config(stream: XdsStream, watch: Subscription) -> Any:
    """A node that has all that is there has the newest version, however long ago it got it."""
    is_current = stream.is_current(watch)
    entry = ClientConfig.GenericXdsConfig(
        type_url=watch.kind.type_url,
        version_info=stream.target_version(watch.kind) if is_current else watch.accepted_version,
        config_status=_CONFIG_STATUS[_reported_state(watch, is_current)],
    )
    entry.last_updated.FromNanoseconds(int(watch.since * 1e9))
    if watch.refusal:
        entry.error_state.CopyFrom(UpdateFailureState(details=watch.refusal))
    return entry


def _reported_state(watch: Subscription, is_current: bool) -> SubscriptionState:
    """A node that came back with everything is sent nothing; one whose turn comes has confirmed older."""
    if is_current:
        return SubscriptionState.SYNCED
    return SubscriptionState.STALE if watch.state is SubscriptionState.SYNCED else watch.state

"""The client status discovery service: which versions each connected node has acknowledged."""

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
    """Returns one `ClientConfig` per stream, with one entry per subscribed resource type."""

    def __init__(self, cache: SnapshotCache) -> None:
        self._cache = cache

    async def FetchClientStatus(self, request: Any, _context: Any) -> Any:
        return self._status(request)

    async def StreamClientStatus(self, requests: AsyncIterator[Any], _context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            yield self._status(request)

    def _status(self, request: Any) -> Any:
        node_ids = {matcher.node_id.exact for matcher in request.node_matchers if matcher.node_id.exact}
        streams = [one for one in self._cache.streams() if not node_ids or one.node.id in node_ids]
        return ClientStatusResponse(config=[_client_config(stream) for stream in streams])


def _client_config(stream: XdsStream) -> Any:
    config = ClientConfig()
    config.node.id = stream.node.id
    config.node.cluster = stream.node.group
    config.node.locality.region = stream.node.region
    for subscription in stream.subscriptions.values():
        config.generic_xds_configs.append(_generic_xds_config(stream, subscription))
    return config


def _generic_xds_config(stream: XdsStream, subscription: Subscription) -> Any:
    """Report the newest version for a node that is current, even if it acknowledged it long ago."""
    is_current = stream.is_current(subscription)
    entry = ClientConfig.GenericXdsConfig(
        type_url=subscription.resource_type.type_url,
        version_info=stream.target_version(subscription.resource_type)
        if is_current
        else subscription.accepted_version,
        config_status=_CONFIG_STATUS[_reported_state(subscription, is_current)],
    )
    entry.last_updated.FromNanoseconds(int(subscription.changed_at_s * 1e9))
    if subscription.nack_reason:
        entry.error_state.CopyFrom(UpdateFailureState(details=subscription.nack_reason))
    return entry


def _reported_state(subscription: Subscription, is_current: bool) -> SubscriptionState:
    """Return the state to report: SYNCED for a current node, even unanswered; STALE for an outdated one."""
    if is_current:
        return SubscriptionState.SYNCED
    return SubscriptionState.STALE if subscription.state is SubscriptionState.SYNCED else subscription.state

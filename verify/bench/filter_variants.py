"""Variants of the gateway's configuration, each without one filter of the edge or one group of them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from google.protobuf.message import Message

from chassis.contracts import Contracts
from gateway.envoy.api_keys import API_KEY_FILTER
from gateway.envoy.cache import CACHE_FILTER
from gateway.envoy.filters import (
    BUFFER_FILTER,
    CORS_FILTER,
    GRPC_WEB_FILTER,
    HEALTH_FILTER,
    LUA_FILTER,
    READY_FILTER,
)
from gateway.envoy.listener import EDGE_LISTENER
from gateway.envoy.rate_limits import CALLER_FILTER, RATE_LIMIT_FILTER
from gateway.envoy.responses import HEADER_MUTATION_FILTER
from gateway.envoy.routes import ROUTE_CONFIGURATION
from gateway.envoy.tokens import JWT_FILTER
from gateway.envoy_types import Listener, RouteConfiguration
from gateway.xds.endpoints import Endpoint
from gateway.xds.fault_filter import FAULT_FILTER
from gateway.xds.mesh import Mesh
from gateway.xds.resource_types import LISTENER_TYPE, ROUTE_TYPE, ResourceType
from gateway.xds.snapshot import Snapshot, XdsResource
from gateway.xds.snapshot_builder import SnapshotBuilder

M = TypeVar("M", bound=Message)

ALL_FILTERS: Final = "all"
VARIANT_PREFIX: Final = "without-"
ACCESS_LOG: Final = "access log"
QUOTAS: Final = "quotas"
"""No filter of its own: the counting by the script that identifies the caller."""
FILTER_GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "headers": (HEADER_MUTATION_FILTER,),
    "cors": (CORS_FILTER,),
    "script": (LUA_FILTER,),
    "probes": (READY_FILTER, HEALTH_FILTER),
    "compressor": ("envoy.filters.http.compressor.brotli", "envoy.filters.http.compressor.gzip"),
    "grpc-web": (GRPC_WEB_FILTER,),
    "cache": (CACHE_FILTER,),
    "buffer": (BUFFER_FILTER,),
    "api-keys": (API_KEY_FILTER,),
    "jwt": (JWT_FILTER,),
    "caller": (CALLER_FILTER,),
    "quotas": (QUOTAS,),
    "rate-limit": (RATE_LIMIT_FILTER,),
    "fault": (FAULT_FILTER,),
    "access-log": (ACCESS_LOG,),
}
"""What a variant leaves out. Without the transcoder or the router there would be no answer."""
VARIANTS: Final = (ALL_FILTERS, *(f"{VARIANT_PREFIX}{group}" for group in FILTER_GROUPS))


@dataclass(frozen=True)
class VariantSnapshotBuilder:
    """Builds the gateway's snapshots as `builder` does, each region without the filters of its name."""

    builder: SnapshotBuilder

    def build(
        self,
        group: str,
        region: str,
        contracts: Contracts,
        mesh: Mesh,
        endpoints: Mapping[str, Sequence[Endpoint]],
    ) -> Snapshot:
        """Build the snapshot of a variant, which is the name of the region."""
        whole = self.builder.build(group, region, contracts, mesh, endpoints)
        return leave_out(whole, FILTER_GROUPS.get(region.removeprefix(VARIANT_PREFIX), ()))


def leave_out(snapshot: Snapshot, names: Collection[str]) -> Snapshot:
    """Return the snapshot without these filters of the edge's listener, its access log or its quotas."""
    listener = _unpack(snapshot, LISTENER_TYPE, EDGE_LISTENER, Listener())
    routes = _unpack(snapshot, ROUTE_TYPE, ROUTE_CONFIGURATION, RouteConfiguration())
    for chain in listener.filter_chains:
        for each in chain.filters:
            _remove_filters(each, names)
    if QUOTAS in names:
        for host in routes.virtual_hosts:
            host.typed_per_filter_config.pop(CALLER_FILTER, None)
    return _with_changed(_with_changed(snapshot, LISTENER_TYPE, listener), ROUTE_TYPE, routes)


def _remove_filters(network_filter: Any, names: Collection[str]) -> None:
    manager = HttpConnectionManager()
    network_filter.typed_config.Unpack(manager)
    kept = [each for each in manager.http_filters if each.name not in names]
    del manager.http_filters[:]
    manager.http_filters.extend(kept)
    if ACCESS_LOG in names:
        del manager.access_log[:]
    network_filter.typed_config.Pack(manager)


def _unpack(snapshot: Snapshot, kind: ResourceType, name: str, message: M) -> M:
    body = snapshot.resources_of(kind)[name].body
    if body is None or not body.Unpack(message):
        raise ValueError(f"{name} is no {kind.message}")
    return message


def _with_changed(snapshot: Snapshot, kind: ResourceType, message: Message) -> Snapshot:
    changed = XdsResource.pack(kind, message)
    return replace(
        snapshot,
        resources={
            **snapshot.resources,
            kind: {**snapshot.resources_of(kind), changed.name: changed},
        },
    )

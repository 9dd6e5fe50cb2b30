"""The configuration that the nodes of a cluster's mesh have confirmed, by its control plane.

It imports Envoy's API, which is slow: import it on demand.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import grpc
from envoy.service.status.v3 import csds_pb2_grpc
from envoy.service.status.v3.csds_pb2 import ClientStatusRequest, ConfigStatus

from chassis.grpc.mesh import CONTROL_PLANE_NAME
from gateway.xds.resource_types import RESOURCE_TYPE_BY_URL
from ops.channels import open_channel
from ops.cluster import Cluster
from ops.errors import OpsError

CALL_TIMEOUT_S: Final = 5.0
_WORST_FIRST: Final = ("ERROR", "STALE", "NOT_SENT", "SYNCED")


@dataclass(frozen=True)
class ResourceTypeStatus:
    """The status of one resource type on a node; `since` is in Unix seconds, `reason` that of a rejection."""

    type: str
    state: str
    version: str
    since: float
    reason: str = ""


@dataclass(frozen=True)
class MeshNodeStatus:
    """One node, with all its streams: a process has one for each peer."""

    node: str
    group: str
    region: str
    streams: int
    kinds: tuple[ResourceTypeStatus, ...]


def fetch_mesh_status(cluster: Cluster) -> list[MeshNodeStatus]:
    """Return every connected node, by group and name.

    Raises:
        OpsError: the control plane does not answer.
    """
    address = cluster.control_plane
    with open_channel(address, CONTROL_PLANE_NAME, cluster.tls_folder) as channel:
        stub = csds_pb2_grpc.ClientStatusDiscoveryServiceStub(channel)
        try:
            configs = stub.FetchClientStatus(ClientStatusRequest(), timeout=CALL_TIMEOUT_S).config
        except grpc.RpcError as error:
            hint = f"; {cluster.status_hint}" if cluster.status_hint else ""
            raise OpsError(f"the control plane at {address} does not answer{hint}") from error
    return merge_node_streams(configs)


def merge_node_streams(configs: Iterable[Any]) -> list[MeshNodeStatus]:
    """Return each node with its streams merged."""
    by_node: dict[tuple[str, str, str], list[Any]] = {}
    for config in configs:
        key = (config.node.cluster, config.node.id, config.node.locality.region)
        by_node.setdefault(key, []).append(config)
    return [_node_status(*key, found) for key, found in sorted(by_node.items())]


def _node_status(group: str, name: str, region: str, configs: list[Any]) -> MeshNodeStatus:
    entries = [_resource_type_status(entry) for config in configs for entry in config.generic_xds_configs]
    labels = [kind.label for kind in RESOURCE_TYPE_BY_URL.values()]
    kinds = [_worst_status([one for one in entries if one.type == label]) for label in labels]
    return MeshNodeStatus(name, group, region, len(configs), tuple(kind for kind in kinds if kind))


def _resource_type_status(entry: Any) -> ResourceTypeStatus:
    return ResourceTypeStatus(
        type=RESOURCE_TYPE_BY_URL[entry.type_url].label,
        state=ConfigStatus.Name(entry.config_status),
        version=entry.version_info,
        since=entry.last_updated.ToNanoseconds() / 1e9,
        reason=entry.error_state.details,
    )


def _worst_status(entries: list[ResourceTypeStatus]) -> ResourceTypeStatus | None:
    """Return the worst of several streams, which stands for all; None without any."""
    if not entries:
        return None
    rank = {state: place for place, state in enumerate(_WORST_FIRST)}
    return min(entries, key=lambda one: (rank.get(one.state, 0), -one.since))

"""What the nodes of a stack's mesh have confirmed, asked of its control plane.

Imports the Envoy API: load this when it is needed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import grpc
from envoy.service.status.v3 import csds_pb2_grpc
from envoy.service.status.v3.csds_pb2 import ClientStatusRequest, ConfigStatus

from gateway.control_plane.kinds import BY_TYPE_URL
from ops.errors import OpsError
from ops.stack.topology import LOOPBACK, Topology

TIMEOUT_S: Final = 5.0
_WORST_FIRST: Final = ("ERROR", "STALE", "NOT_SENT", "SYNCED")


@dataclass(frozen=True)
class KindStatus:
    """How a node stands with one type of resource; `since` is in Unix seconds, `reason` why it refused."""

    type: str
    state: str
    version: str
    since: float
    reason: str = ""


@dataclass(frozen=True)
class NodeStatus:
    """One node; of a process that has several streams, one for each peer, all together."""

    node: str
    group: str
    region: str
    streams: int
    kinds: tuple[KindStatus, ...]


def fetch(topology: Topology) -> list[NodeStatus]:
    """Every connected node, by group and name.

    Raises:
        OpsError: the control plane does not answer.
    """
    address = f"{LOOPBACK}:{topology.control_plane.grpc}"
    with grpc.insecure_channel(address) as channel:
        stub = csds_pb2_grpc.ClientStatusDiscoveryServiceStub(channel)
        try:
            configs = stub.FetchClientStatus(ClientStatusRequest(), timeout=TIMEOUT_S).config
        except grpc.RpcError as error:
            raise OpsError(
                f"the control plane at {address} does not answer; see: ic logs control-plane"
            ) from error
    return together(configs)


def together(configs: Iterable[Any]) -> list[NodeStatus]:
    """The streams of each node made into one."""
    by_node: dict[tuple[str, str, str], list[Any]] = {}
    for config in configs:
        key = (config.node.cluster, config.node.id, config.node.locality.region)
        by_node.setdefault(key, []).append(config)
    return [_node(*key, found) for key, found in sorted(by_node.items())]


def _node(group: str, name: str, region: str, configs: list[Any]) -> NodeStatus:
    entries = [_kind(entry) for config in configs for entry in config.generic_xds_configs]
    labels = [kind.label for kind in BY_TYPE_URL.values()]
    kinds = [_merged([one for one in entries if one.type == label]) for label in labels]
    return NodeStatus(name, group, region, len(configs), tuple(kind for kind in kinds if kind))


def _kind(entry: Any) -> KindStatus:
    return KindStatus(
        type=BY_TYPE_URL[entry.type_url].label,
        state=ConfigStatus.Name(entry.config_status),
        version=entry.version_info,
        since=entry.last_updated.ToNanoseconds() / 1e9,
        reason=entry.error_state.details,
    )


def _merged(entries: list[KindStatus]) -> KindStatus | None:
    """The worst of several streams stands for all."""
    if not entries:
        return None
    rank = {state: place for place, state in enumerate(_WORST_FIRST)}
    return min(entries, key=lambda one: (rank.get(one.state, 0), -one.since))

"""What `ic mesh` makes of the control plane's answer."""

from typing import Any

from envoy.service.status.v3.csds_pb2 import ClientConfig, ConfigStatus

from gateway.xds.resource_types import CLUSTER_TYPE, ENDPOINT_TYPE
from ops.mesh_status import merge_node_streams


def _stream(node: str, *states: tuple[Any, Any, str]) -> Any:
    config = ClientConfig()
    config.node.id, config.node.cluster, config.node.locality.region = node, "services", "local"
    for kind, state, reason in states:
        entry = config.generic_xds_configs.add()
        entry.type_url, entry.config_status, entry.version_info = kind.type_url, state, "v"
        if reason:
            entry.error_state.details = reason
    return config


def test_the_worst_of_a_nodes_streams_stands_for_all() -> None:
    good = _stream(
        "user-serve", (CLUSTER_TYPE, ConfigStatus.SYNCED, ""), (ENDPOINT_TYPE, ConfigStatus.SYNCED, "")
    )
    bad = _stream("user-serve", (CLUSTER_TYPE, ConfigStatus.ERROR, "cluster x is odd"))

    [node] = merge_node_streams([good, bad])

    assert (node.node, node.streams) == ("user-serve", 2)
    assert [(kind.type, kind.state, kind.reason) for kind in node.kinds] == [
        ("cds", "ERROR", "cluster x is odd"),
        ("eds", "SYNCED", ""),
    ]


def test_nodes_are_listed_by_name() -> None:
    assert [node.node for node in merge_node_streams([_stream("b"), _stream("a")])] == ["a", "b"]

"""Envoy's bootstrap: just enough to find the control plane, which tells it the rest."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from google.protobuf.json_format import MessageToDict

from gateway import envoy_types as types
from gateway.control_plane.builder import over_ads
from gateway.control_plane.node import GATEWAY
from gateway.envoy.clusters import fixed_cluster
from gateway.envoy.edge import ADS_CLUSTER
from gateway.envoy_types import Bootstrap, address, extension, parsed

MAX_CONNECTIONS: Final = 20_000
_API: Final = {"state of the world": "GRPC", "delta": "DELTA_GRPC"}


@dataclass(frozen=True)
class EnvoyNode:
    """One Envoy: who it is, where its administration listens, and where its control plane is."""

    id: str
    region: str
    admin: tuple[str, int]
    control_plane: tuple[str, int]
    variant: Literal["state of the world", "delta"] = "delta"


def bootstrap(node: EnvoyNode) -> dict[str, Any]:
    """The file that `envoy -c` takes, as JSON."""
    fields = {
        "node": {"id": node.id, "cluster": GATEWAY, "locality": {"region": node.region}},
        "admin": {"address": address(*node.admin)},
        "static_resources": {"clusters": [fixed_cluster(ADS_CLUSTER, *node.control_plane)]},
        "dynamic_resources": {
            "ads_config": _ads(node),
            "cds_config": over_ads(),
            "lds_config": over_ads(),
        },
        "layered_runtime": {"layers": [{"name": "admin", "admin_layer": {}}]},
        "overload_manager": _overload_manager(),
    }
    # Through the message, so that a field that Envoy does not know is found here.
    checked: dict[str, Any] = MessageToDict(parsed(fields, Bootstrap), preserving_proto_field_name=True)
    return checked


def _ads(node: EnvoyNode) -> dict[str, Any]:
    return {
        "api_type": _API[node.variant],
        "transport_api_version": "V3",
        "set_node_on_first_message_only": True,
        "grpc_services": [{"envoy_grpc": {"cluster_name": ADS_CLUSTER}}],
    }


def _overload_manager() -> dict[str, Any]:
    limit = extension(
        "envoy.resource_monitors.global_downstream_max_connections",
        types.DOWNSTREAM_CONNECTIONS,
        max_active_downstream_connections=MAX_CONNECTIONS,
    )
    return {"resource_monitors": [limit]}

"""Envoy's bootstrap: the address of the control plane, from which it gets all other configuration."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

from google.protobuf.json_format import MessageToDict

from chassis.grpc.mesh import CONTROL_PLANE_NAME
from gateway import envoy_types
from gateway.envoy.clusters import static_cluster
from gateway.envoy_types import Bootstrap, parse_message, socket_address, typed_extension
from gateway.xds.config import ads_config_source
from gateway.xds.mutual_tls import envoy_transport_socket, secret_file_source
from gateway.xds.nodes import ADS_CLUSTER, GATEWAY_GROUP

MAX_CONNECTIONS: Final = 20_000
MAX_HEAP_BYTES: Final = 1024 * 1024 * 1024
OPS_LISTENER: Final = "ops"
_ADMIN_CLUSTER: Final = "admin"
_FIXED_HEAP_MONITOR: Final = "envoy.resource_monitors.fixed_heap"
_API_TYPES: Final = {"state of the world": "GRPC", "delta": "DELTA_GRPC"}


@dataclass(frozen=True)
class EnvoyNode:
    """One Envoy: its identity, the address of its administration, and that of its control plane."""

    id: str
    region: str
    admin: tuple[str, int]
    control_plane: tuple[str, int]
    variant: Literal["state of the world", "delta"] = "delta"
    ops: tuple[str, int] | None = None
    """Where it answers `/health`, `/ready` and `/metrics`, as every process does; None: nowhere.

    These lead to the administration, which listens where nobody else reaches it.
    """
    mesh_secrets: Path | None = None
    """The folder of the files of `render_mesh_secrets`: mutual TLS with the control plane; None: plain."""


def build_bootstrap(node: EnvoyNode) -> dict[str, Any]:
    """Return the JSON file for `envoy -c`."""
    fields = {
        "node": {"id": node.id, "cluster": GATEWAY_GROUP, "locality": {"region": node.region}},
        "admin": {"address": socket_address(*node.admin)},
        "static_resources": _static_resources(node),
        "dynamic_resources": {
            "ads_config": _ads_config(node),
            "cds_config": _first_config_source(node),
            "lds_config": _first_config_source(node),
        },
        "bootstrap_extensions": [
            typed_extension("envoy.bootstrap.internal_listener", envoy_types.INTERNAL_LISTENERS),
        ],
        "layered_runtime": {"layers": [{"name": "admin", "admin_layer": {}}]},
        "overload_manager": _overload_manager(),
    }
    # Through the message, so that an unknown field is an error here.
    checked: dict[str, Any] = MessageToDict(
        parse_message(fields, Bootstrap), preserving_proto_field_name=True
    )
    return checked


def _first_config_source(node: EnvoyNode) -> dict[str, Any]:
    """Return the source of clusters and listeners.

    With an ops port Envoy waits for both without end: it would otherwise say that it is ready after half a
    minute without the control plane, with no listener for clients.
    """
    source = ads_config_source()
    return source if node.ops is None else {**source, "initial_fetch_timeout": "0s"}


def _static_resources(node: EnvoyNode) -> dict[str, Any]:
    control_plane = static_cluster(ADS_CLUSTER, *node.control_plane)
    if node.mesh_secrets:
        source_of = partial(secret_file_source, node.mesh_secrets)
        control_plane |= envoy_transport_socket(CONTROL_PLANE_NAME, source_of)
    clusters = [control_plane]
    if node.ops is None:
        return {"clusters": clusters}
    return {"clusters": [*clusters, _admin_cluster(node.admin)], "listeners": [_ops_listener(node.ops)]}


def _admin_cluster(address: tuple[str, int]) -> dict[str, Any]:
    member = {"endpoint": {"address": socket_address(*address)}}
    return {
        "name": _ADMIN_CLUSTER,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": _ADMIN_CLUSTER, "endpoints": [{"lb_endpoints": [member]}]},
    }


def _ops_listener(address: tuple[str, int]) -> dict[str, Any]:
    """Return the listener of the ops port: `/ready` says no while Envoy starts and while it drains."""
    routes = [
        {"match": {"path": "/health"}, "direct_response": {"status": 200}},
        *(
            {"match": {"path": path}, "route": {"cluster": _ADMIN_CLUSTER, "prefix_rewrite": admin_path}}
            for path, admin_path in (("/ready", "/ready"), ("/metrics", "/stats/prometheus"))
        ),
    ]
    manager = typed_extension(
        "envoy.filters.network.http_connection_manager",
        envoy_types.HTTP_CONNECTION_MANAGER,
        stat_prefix=OPS_LISTENER,
        http_filters=[typed_extension("envoy.filters.http.router", envoy_types.ROUTER)],
        route_config={"virtual_hosts": [{"name": OPS_LISTENER, "domains": ["*"], "routes": routes}]},
    )
    return {
        "name": OPS_LISTENER,
        "address": socket_address(*address),
        "ignore_global_conn_limit": True,
        "bypass_overload_manager": True,
        "filter_chains": [{"filters": [manager]}],
    }


def _ads_config(node: EnvoyNode) -> dict[str, Any]:
    return {
        "api_type": _API_TYPES[node.variant],
        "transport_api_version": "V3",
        "set_node_on_first_message_only": True,
        "grpc_services": [{"envoy_grpc": {"cluster_name": ADS_CLUSTER}}],
    }


def _overload_manager() -> dict[str, Any]:
    """Return the overload manager: it refuses connections beyond a bound, and requests short of memory."""
    connections = typed_extension(
        "envoy.resource_monitors.global_downstream_max_connections",
        envoy_types.DOWNSTREAM_CONNECTIONS,
        max_active_downstream_connections=MAX_CONNECTIONS,
    )
    heap = typed_extension(_FIXED_HEAP_MONITOR, envoy_types.FIXED_HEAP, max_heap_size_bytes=MAX_HEAP_BYTES)
    return {
        "refresh_interval": "0.25s",
        "resource_monitors": [connections, heap],
        "actions": [
            _heap_overload_action("envoy.overload_actions.shrink_heap", 0.9),
            _heap_overload_action("envoy.overload_actions.disable_http_keepalive", 0.92),
            _heap_overload_action("envoy.overload_actions.stop_accepting_requests", 0.95),
        ],
    }


def _heap_overload_action(action: str, full: float) -> dict[str, Any]:
    return {"name": action, "triggers": [{"name": _FIXED_HEAP_MONITOR, "threshold": {"value": full}}]}

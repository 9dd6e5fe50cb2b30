"""Small resources and a client that keeps the protocol, for tests without a network."""

from collections.abc import Iterable, Mapping
from typing import Any

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2

# The type has to be known for its dictionary form.
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as _manager,
)
from google.protobuf import json_format

from gateway.control_plane.stream import XdsStream
from gateway.control_plane.subscription import DeltaSubscription, SotwSubscription, XdsRequest, XdsResponse
from gateway.xds.nodes import XdsNode
from gateway.xds.resource_types import CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE, ResourceType
from gateway.xds.snapshot import Snapshot

MAX_RESPONSES = 50
NODE = XdsNode("gateway-1", "gateway", "local")
MANAGER = f"type.googleapis.com/{_manager.HttpConnectionManager.DESCRIPTOR.full_name}"


def cluster(name: str, connect_timeout: str = "1s") -> Any:
    fields = {
        "name": name,
        "type": "EDS",
        "connect_timeout": connect_timeout,
        "eds_cluster_config": {"eds_config": {"ads": {}, "resource_api_version": "V3"}},
    }
    return json_format.ParseDict(fields, cluster_pb2.Cluster())


def endpoints(name: str, *ports: int) -> Any:
    members = [
        {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}
        for port in ports
    ]
    fields = {"cluster_name": name, "endpoints": [{"lb_endpoints": members}]}
    return json_format.ParseDict(fields, endpoint_pb2.ClusterLoadAssignment())


def listener(name: str, routes: str, stat_prefix: str = "x") -> Any:
    manager = {
        "@type": MANAGER,
        "stat_prefix": stat_prefix,
        "rds": {"route_config_name": routes, "config_source": {"ads": {}, "resource_api_version": "V3"}},
    }
    filters = [{"name": "http", "typed_config": manager}]
    fields = {"name": name, "filter_chains": [{"filters": filters}]}
    return json_format.ParseDict(fields, listener_pb2.Listener())


def routes(name: str, *clusters: str) -> Any:
    to_each = [{"match": {"path": f"/{one}"}, "route": {"cluster": one}} for one in clusters]
    fields = {"name": name, "virtual_hosts": [{"name": name, "domains": ["*"], "routes": to_each}]}
    return json_format.ParseDict(fields, route_pb2.RouteConfiguration())


def services(**ports: int) -> Snapshot:
    """Return a complete snapshot: one listener and its routes to clusters of these names."""
    return Snapshot.from_messages(
        [
            listener("gateway", "gateway"),
            routes("gateway", *ports),
            *(cluster(name) for name in ports),
            *(endpoints(name, port) for name, port in ports.items()),
        ]
    )


class SimulatedXdsNode:
    """A node that subscribes to everything and answers every response, with checks of what it receives.

    `has` are its resources; `log` is the order of the responses, e.g. `["cds", "eds"]`.
    """

    def __init__(self, *, delta: bool, snapshot: Snapshot | None = None, refuses: bool = False) -> None:
        self.delta = delta
        self.refuses = refuses
        self.stream = XdsStream(NODE, DeltaSubscription if delta else SotwSubscription)
        self.has: dict[ResourceType, dict[str, str]] = {
            resource_type: {} for resource_type in (CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE)
        }
        self.uses: dict[tuple[ResourceType, str], Any] = {}
        self.log: list[str] = []
        self.responses: list[XdsResponse] = []
        self._names: dict[ResourceType, set[str]] = {ENDPOINT_TYPE: set(), ROUTE_TYPE: set()}
        if snapshot is not None:
            self.stream.set_snapshot(snapshot)

    def subscribe(self, *resource_types: ResourceType) -> "SimulatedXdsNode":
        for resource_type in resource_types or (CLUSTER_TYPE, LISTENER_TYPE):
            self.stream.receive(XdsRequest(resource_type.type_url))
        return self

    def ask_for(
        self, resource_type: ResourceType, *names: str, initial_versions: Mapping[str, str] | None = None
    ) -> None:
        self.stream.receive(
            XdsRequest(resource_type.type_url, names=names, initial_versions=initial_versions)
        )

    def take(self) -> XdsResponse | None:
        """Return the next response, not answered yet."""
        response = self.stream.next_response()
        if response is not None:
            self.log.append(response.resource_type.label)
            self.responses.append(response)
        return response

    def settle(self, refuse: Iterable[ResourceType] = ()) -> "SimulatedXdsNode":
        """Answer all responses until there are no more."""
        for _ in range(MAX_RESPONSES):
            response = self.take()
            if response is None:
                return self
            if response.resource_type in refuse:
                self.answer(response, nack_reason="does not work")
            else:
                self.apply(response)
                self.answer(response)
        raise AssertionError(f"there is no end of it: {self.log}")

    def answer(self, response: XdsResponse, nack_reason: str | None = None) -> None:
        names = () if self.delta else tuple(sorted(self._names.get(response.resource_type, ())))
        self.stream.receive(
            XdsRequest(response.resource_type.type_url, response.nonce, names, nack_reason=nack_reason)
        )
        if nack_reason is None:
            self._follow(response)

    def apply(self, response: XdsResponse) -> None:
        sent = {one.name: one.version for one in response.resources}
        own = self.has[response.resource_type]
        if not self.delta and response.resource_type.requires_full_state:
            own.clear()
        own.update(sent)
        for name in response.removed if self.delta else ():
            own.pop(name, None)
        self.uses.update({(response.resource_type, one.name): one.references for one in response.resources})
        if not self.refuses:
            self._must_hold_together()

    def _must_hold_together(self) -> None:
        """Assert that no route of the node names a cluster that the node lacks."""
        for name in self.has[ROUTE_TYPE]:
            for resource_type, used in self.uses[ROUTE_TYPE, name]:
                assert used in self.has[resource_type], f"route {name} names {resource_type.label} {used}"

    def _follow(self, response: XdsResponse) -> None:
        """Subscribe to the endpoints of clusters and the routes of listeners, and to no others."""
        for resource_type, by in ((ENDPOINT_TYPE, CLUSTER_TYPE), (ROUTE_TYPE, LISTENER_TYPE)):
            if response.resource_type is not by:
                continue
            wanted = {used for name in self.has[by] for k, used in self.uses[by, name] if k is resource_type}
            before, self._names[resource_type] = self._names[resource_type], wanted
            if wanted == before:
                continue
            for gone in before - wanted:
                self.has[resource_type].pop(gone, None)
            added, unsubscribed = tuple(wanted - before), tuple(before - wanted)
            request = (
                XdsRequest(resource_type.type_url, names=added, unsubscribed=unsubscribed)
                if self.delta
                else XdsRequest(resource_type.type_url, self._nonce(resource_type), tuple(sorted(wanted)))
            )
            self.stream.receive(request)

    def _nonce(self, resource_type: ResourceType) -> str:
        return next(
            (
                response.nonce
                for response in reversed(self.responses)
                if response.resource_type is resource_type
            ),
            "",
        )


def versions(snapshot: Snapshot) -> dict[ResourceType, dict[str, str]]:
    return {
        resource_type: {name: one.version for name, one in snapshot.resources_of(resource_type).items()}
        for resource_type in (CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE)
    }

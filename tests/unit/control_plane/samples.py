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
    """A whole snapshot: one listener and its routes to clusters of these names."""
    return Snapshot.of(
        [
            listener("gateway", "gateway"),
            routes("gateway", *ports),
            *(cluster(name) for name in ports),
            *(endpoints(name, port) for name, port in ports.items()),
        ]
    )


class SimulatedXdsNode:
    """A node that asks for everything and answers what it gets, held to what it was sent.

    `has` is what it runs on; `log` is the order of what it was sent, e.g. `["cds", "eds"]`.
    """

    def __init__(self, *, delta: bool, snapshot: Snapshot | None = None, refuses: bool = False) -> None:
        self.delta = delta
        self.refuses = refuses
        self.stream = XdsStream(NODE, DeltaSubscription if delta else SotwSubscription)
        self.has: dict[ResourceType, dict[str, str]] = {
            kind: {} for kind in (CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE)
        }
        self.uses: dict[tuple[ResourceType, str], Any] = {}
        self.log: list[str] = []
        self.pushes: list[XdsResponse] = []
        self._names: dict[ResourceType, set[str]] = {ENDPOINT_TYPE: set(), ROUTE_TYPE: set()}
        if snapshot is not None:
            self.stream.offer(snapshot)

    def subscribe(self, *kinds: ResourceType) -> "SimulatedXdsNode":
        for kind in kinds or (CLUSTER_TYPE, LISTENER_TYPE):
            self.stream.receive(XdsRequest(kind.type_url))
        return self

    def ask_for(self, kind: ResourceType, *names: str, known: Mapping[str, str] | None = None) -> None:
        self.stream.receive(XdsRequest(kind.type_url, names=names, known=known))

    def take(self) -> XdsResponse | None:
        """The next response, not answered yet."""
        push = self.stream.next_push()
        if push is not None:
            self.log.append(push.kind.label)
            self.pushes.append(push)
        return push

    def settle(self, refuse: Iterable[ResourceType] = ()) -> "SimulatedXdsNode":
        """Answers everything until there is nothing more to come."""
        for _ in range(MAX_RESPONSES):
            push = self.take()
            if push is None:
                return self
            if push.kind in refuse:
                self.answer(push, error="does not work")
            else:
                self.apply(push)
                self.answer(push)
        raise AssertionError(f"there is no end of it: {self.log}")

    def answer(self, push: XdsResponse, error: str | None = None) -> None:
        names = () if self.delta else tuple(sorted(self._names.get(push.kind, ())))
        self.stream.receive(XdsRequest(push.kind.type_url, push.nonce, names, error=error))
        if error is None:
            self._follow(push)

    def apply(self, push: XdsResponse) -> None:
        told = {one.name: one.version for one in push.resources}
        own = self.has[push.kind]
        if not self.delta and push.kind.whole_state:
            own.clear()
        own.update(told)
        for name in push.removed if self.delta else ():
            own.pop(name, None)
        self.uses.update({(push.kind, one.name): one.uses for one in push.resources})
        if not self.refuses:
            self._must_hold_together()

    def _must_hold_together(self) -> None:
        """No route of the node may ever name a cluster that the node has not got."""
        for name in self.has[ROUTE_TYPE]:
            for kind, used in self.uses[ROUTE_TYPE, name]:
                assert used in self.has[kind], f"route {name} names {kind.label} {used}"

    def _follow(self, push: XdsResponse) -> None:
        """Asks for the endpoints of clusters and the routes of listeners, and no longer for others."""
        for kind, by in ((ENDPOINT_TYPE, CLUSTER_TYPE), (ROUTE_TYPE, LISTENER_TYPE)):
            if push.kind is not by:
                continue
            wanted = {used for name in self.has[by] for k, used in self.uses[by, name] if k is kind}
            before, self._names[kind] = self._names[kind], wanted
            if wanted == before:
                continue
            for gone in before - wanted:
                self.has[kind].pop(gone, None)
            added, dropped = tuple(wanted - before), tuple(before - wanted)
            request = (
                XdsRequest(kind.type_url, names=added, dropped=dropped)
                if self.delta
                else XdsRequest(kind.type_url, self._nonce(kind), tuple(sorted(wanted)))
            )
            self.stream.receive(request)

    def _nonce(self, kind: ResourceType) -> str:
        return next((push.nonce for push in reversed(self.pushes) if push.kind is kind), "")


def versions(snapshot: Snapshot) -> dict[ResourceType, dict[str, str]]:
    return {
        kind: {name: one.version for name, one in snapshot.of_kind(kind).items()}
        for kind in (CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE)
    }

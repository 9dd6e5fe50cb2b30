"""The services' xDS resources follow the contracts and the mesh file."""

from functools import cache
from pathlib import Path
from typing import Any

from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.filters.http.fault.v3.fault_pb2 import HTTPFault
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from envoy.type.v3.percent_pb2 import FractionalPercent

import internshipconnect
from chassis.contracts import Contracts
from gateway.api_surface import service_of
from gateway.proxyless import DEADLINE_MARGIN_S, ProxylessSnapshotBuilder
from gateway.xds.endpoints import Endpoint
from gateway.xds.load_assignment import build_load_assignment, select_usable_endpoints
from gateway.xds.mesh import Mesh
from gateway.xds.resource_types import CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE
from gateway.xds.snapshot import Snapshot

MESH = Mesh.model_validate(
    {
        "regions": ["north", "south", "east"],
        "services": {
            service: {"port": 1, "endpoints": {"registry": True}}
            for service in ("auth", "user", "internship", "application", "notification", "analytics")
        },
    }
)
NORTH, SOUTH, EAST = (Endpoint("127.0.0.1", port, region) for port, region in enumerate(MESH.regions, 1))


@cache
def contracts() -> Contracts:
    set_ = Path(next(iter(internshipconnect.__path__))).with_name("internshipconnect.binpb")
    return Contracts.from_descriptor_set(set_.read_bytes())


def _snapshot(*endpoints: Endpoint, region: str = "north") -> Snapshot:
    return ProxylessSnapshotBuilder().build("services", region, contracts(), MESH, {"user": endpoints})


def _routes(snapshot: Snapshot) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for resource in snapshot.resources_of(ROUTE_TYPE).values():
        assert resource.body is not None
        configuration = RouteConfiguration.FromString(resource.body.value)
        found |= {route.match.path: route.route for route in configuration.virtual_hosts[0].routes}
    return found


def _places(own_region: str, *endpoints: Endpoint) -> list[tuple[str, str, int]]:
    assignment = build_load_assignment("user", MESH.regions_by_preference(own_region), endpoints)
    return [(each.locality.region, each.locality.zone, each.priority) for each in assignment.endpoints]


def test_each_service_has_a_listener_routes_a_cluster_and_endpoints() -> None:
    snapshot = _snapshot(NORTH)
    snapshot.check_consistency()
    for kind in (LISTENER_TYPE, ROUTE_TYPE, CLUSTER_TYPE, ENDPOINT_TYPE):
        assert set(snapshot.resources_of(kind)) == set(MESH.services)


def test_every_call_of_the_contracts_has_a_route_with_its_deadline() -> None:
    routes = _routes(_snapshot(NORTH))
    for rpc in contracts().rpcs:
        action = routes[rpc.path]
        assert action.cluster == service_of(rpc)
        longest = action.max_stream_duration.max_stream_duration.ToTimedelta().total_seconds()
        assert longest == (rpc.policy.deadline_ms / 1000 + DEADLINE_MARGIN_S if rpc.policy.deadline_ms else 0)


def test_only_calls_whose_repeat_has_no_effect_are_repeated() -> None:
    routes = _routes(_snapshot(NORTH))
    for rpc in contracts().rpcs:
        assert (routes[rpc.path].retry_policy.retry_on == "unavailable") == rpc.is_repeatable


def _fault_of(service: str, **faults: Any) -> HTTPFault | None:
    mesh = Mesh.model_validate(MESH.model_dump() | {"faults": faults})
    snapshot = ProxylessSnapshotBuilder().build("services", "north", contracts(), mesh, {})
    resource = snapshot.resources_of(LISTENER_TYPE)[service]
    assert resource.body is not None
    packed = Listener.FromString(resource.body.value).api_listener.api_listener
    filters = HttpConnectionManager.FromString(packed.value).http_filters
    assert filters[-1].name == "envoy.filters.http.router"
    return HTTPFault.FromString(filters[0].typed_config.value) if len(filters) == 2 else None


def test_a_fault_is_that_of_calls_to_its_service_and_to_no_other() -> None:
    faults = {"user": {"abort": {"percent": 2.5}, "delay": {"duration_s": 0.2}}}
    found = _fault_of("user", **faults)
    assert found is not None
    assert (found.abort.grpc_status, found.abort.percentage.numerator) == (14, 25_000)
    assert (found.delay.fixed_delay.ToMilliseconds(), found.delay.percentage.numerator) == (200, 1_000_000)
    assert {found.abort.percentage.denominator, found.delay.percentage.denominator} == {
        FractionalPercent.MILLION
    }
    assert _fault_of("auth", **faults) is None
    assert _fault_of("user") is None


def test_the_own_region_comes_first_and_the_others_in_the_order_of_the_mesh() -> None:
    endpoints = (EAST, SOUTH, NORTH)
    assert _places("east", *endpoints) == [("east", "", 0), ("north", "", 1), ("south", "", 2)]
    assert _places("north", *endpoints) == [("north", "", 0), ("south", "", 1), ("east", "", 2)]


def test_the_zones_of_a_region_share_its_priority_and_get_calls_by_their_size() -> None:
    zones = ("a", "a", "b")
    members = [Endpoint(f"10.0.0.{number}", 1, "north", zone=zone) for number, zone in enumerate(zones)]
    assert _places("north", *members, SOUTH) == [("north", "a", 0), ("north", "b", 0), ("south", "", 1)]
    assignment = build_load_assignment("user", MESH.regions_by_preference("north"), members)
    assert [each.load_balancing_weight.value for each in assignment.endpoints] == [2, 1]


def test_priorities_have_no_gap_where_a_region_has_no_endpoints() -> None:
    assert _places("north", EAST) == [("east", "", 0)]


def test_a_draining_endpoint_is_taken_out_unless_there_is_no_other() -> None:
    draining = Endpoint("127.0.0.1", 9, "north", draining=True)
    assert select_usable_endpoints([draining, SOUTH]) == [SOUTH]
    assert select_usable_endpoints([draining]) == [draining]


def test_a_service_without_endpoints_has_an_empty_assignment() -> None:
    resource = _snapshot().resources_of(ENDPOINT_TYPE)["auth"]
    assert resource.body is not None
    assert list(ClusterLoadAssignment.FromString(resource.body.value).endpoints) == []

"""What Envoy is told follows the contracts and the mesh file."""

import base64
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseError

import internshipconnect
from chassis.contracts import Contracts
from gateway.control_plane.endpoints import Endpoint
from gateway.control_plane.kinds import CLUSTERS, ENDPOINTS, LISTENERS, ROUTES
from gateway.control_plane.mesh import Mesh
from gateway.control_plane.snapshot import InconsistentSnapshotError, Snapshot
from gateway.envoy.bootstrap import EnvoyNode, bootstrap
from gateway.envoy.builder import GatewayBuilder
from gateway.envoy.clusters import clusters
from gateway.envoy.edge import Edge
from gateway.envoy.listener import listener, lua_source
from gateway.envoy.routes import route_configuration
from gateway.envoy_types import Cluster, parsed
from gateway.surface import edge_rpcs, room_of

ROOMS = ("auth", "user", "internship", "application", "notification", "analytics")
EDGE = Edge(("127.0.0.1", 8080), pages=(("/docs", "text/html", "<p>"),))


@cache
def contracts() -> Contracts:
    set_ = Path(next(iter(internshipconnect.__path__))).with_name("internshipconnect.binpb")
    return Contracts.read(set_.read_bytes())


def mesh(*rooms: str, **further: Any) -> Mesh:
    services = {room: {"port": 5001, "endpoints": {"registry": True}} for room in rooms or ROOMS}
    return Mesh.model_validate({"regions": ["north", "south"], "services": services, **further})


def _manager(edge: Edge = EDGE) -> dict[str, Any]:
    found: dict[str, Any] = listener(contracts(), mesh(), edge)["filter_chains"][0]["filters"][0][
        "typed_config"
    ]
    return found


def _filter(name: str) -> dict[str, Any]:
    filters = _manager()["http_filters"]
    found: dict[str, Any] = next(each["typed_config"] for each in filters if each["name"].endswith(name))
    return found


def _routes() -> dict[str, dict[str, Any]]:
    host = route_configuration(contracts(), EDGE)["virtual_hosts"][0]
    return {route["match"]["path"]: route for route in host["routes"]}


def test_every_call_with_an_http_rule_has_a_route_to_its_service() -> None:
    routes = _routes()
    for rpc in edge_rpcs(contracts()):
        assert routes[rpc.path]["route"]["cluster"] == room_of(rpc)


def test_calls_between_services_are_not_reachable_from_outside() -> None:
    assert "/internshipconnect.internship.v1.InternshipService/TakeOpening" not in _routes()


def test_envoy_waits_a_little_longer_than_the_service_so_that_its_own_error_arrives() -> None:
    routes = _routes()
    for rpc in edge_rpcs(contracts()):
        if rpc.policy.deadline_ms:
            waited = float(routes[rpc.path]["route"]["timeout"].removesuffix("s"))
            assert waited * 1000 > rpc.policy.deadline_ms


def test_a_stream_has_no_deadline_at_the_edge() -> None:
    routes = _routes()
    streams = [rpc for rpc in edge_rpcs(contracts()) if rpc.server_streaming]
    assert streams
    assert all(routes[rpc.path]["route"]["timeout"] == "0s" for rpc in streams)


def test_only_calls_whose_repeat_has_no_effect_are_retried() -> None:
    routes = _routes()
    for rpc in edge_rpcs(contracts()):
        assert ("retry_policy" in routes[rpc.path]["route"]) == rpc.is_repeatable


def test_a_page_is_answered_by_envoy_itself() -> None:
    assert _routes()["/docs"]["direct_response"]["body"] == {"inline_string": "<p>"}


def test_readiness_asks_every_service() -> None:
    assert set(_filter("health_check.ready")["cluster_min_healthy_percentages"]) == set(ROOMS)


def test_the_listener_holds_the_descriptors_so_that_a_new_call_changes_it() -> None:
    held = base64.b64decode(_filter("grpc_json_transcoder")["proto_descriptor_bin"])
    assert [rpc.path for rpc in Contracts.read(held).rpcs] == [rpc.path for rpc in contracts().rpcs]


def test_traces_go_out_only_where_a_collector_is_set() -> None:
    traced = Edge(EDGE.listen, otlp=("127.0.0.1", 4317))
    assert "tracing" not in _manager()
    assert "tracing" in _manager(traced)
    assert "otlp" in {cluster["name"] for cluster in clusters(mesh(), traced)}


def test_the_error_script_knows_every_reason_and_every_body_field_of_the_contracts() -> None:
    source = lua_source(contracts())
    assert "UNKNOWN_PARAMETER = { code = 3" in source
    assert "company = true, internship = true, me = true" in source


def test_the_bounds_of_the_mesh_file_are_the_clusters() -> None:
    figures = {"max_connections": 1, "max_pending": 2, "max_requests": 3}
    found = clusters(mesh(limits=figures, health_check={"interval_s": 7}), EDGE)[0]
    threshold = found["circuit_breakers"]["thresholds"][0]
    assert [threshold[name] for name in ("max_connections", "max_pending_requests", "max_requests")] == [
        1,
        2,
        3,
    ]
    assert found["health_checks"][0]["interval"] == "7.000s"


def test_a_misspelt_field_is_refused() -> None:
    with pytest.raises(ParseError, match="conect_timeout"):
        parsed({"name": "a", "conect_timeout": "1s"}, Cluster)


def _snapshot(region: str, *endpoints: Endpoint, rooms: tuple[str, ...] = ROOMS) -> Snapshot:
    builder = GatewayBuilder(lambda: EDGE)
    return builder.build("gateway", region, contracts(), mesh(*rooms), {"user": endpoints})


def test_a_snapshot_is_whole() -> None:
    snapshot = _snapshot("north", Endpoint("127.0.0.1", 1, "north"))
    snapshot.refuse_inconsistency()
    assert [len(snapshot.of_kind(kind)) for kind in (CLUSTERS, ENDPOINTS, LISTENERS, ROUTES)] == [6, 6, 1, 1]


def test_a_service_that_the_mesh_lacks_is_named() -> None:
    with pytest.raises(InconsistentSnapshotError, match="names cluster 'analytics': there is none"):
        _snapshot("north", rooms=ROOMS[:-1]).refuse_inconsistency()


def test_the_bootstrap_says_where_the_control_plane_is_and_nothing_of_services() -> None:
    for variant, api in (("state of the world", "GRPC"), ("delta", "DELTA_GRPC")):
        node = EnvoyNode("g1", "north", ("127.0.0.1", 9901), ("10.0.0.9", 5009), variant)  # type: ignore[arg-type]
        found = bootstrap(node)
        assert found["node"]["locality"] == {"region": "north"}
        assert found["dynamic_resources"]["ads_config"]["api_type"] == api
        assert [cluster["name"] for cluster in found["static_resources"]["clusters"]] == ["control-plane"]

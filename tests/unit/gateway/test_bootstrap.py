"""Envoy's configuration follows the contracts."""

from pathlib import Path
from typing import Any

import pytest

from gateway.bootstrap import EnvoyInputs, lua_source, render
from gateway.surface import edge_rpcs, room_of

ROOMS = ("auth", "user", "internship", "application", "notification", "analytics")


def _inputs(**changes: Any) -> EnvoyInputs:
    fields: dict[str, Any] = {
        "descriptor_set": Path("contracts.binpb"),
        "openapi": Path("openapi.json"),
        "docs_page": Path("docs.html"),
        "upstreams": {room: (("127.0.0.1", 5000 + number),) for number, room in enumerate(ROOMS)},
        "listen": ("127.0.0.1", 8080),
        "admin": ("127.0.0.1", 9901),
    }
    return EnvoyInputs(**(fields | changes))


def _manager(config: dict[str, Any]) -> dict[str, Any]:
    listener = config["static_resources"]["listeners"][0]
    manager: dict[str, Any] = listener["filter_chains"][0]["filters"][0]["typed_config"]
    return manager


def _routes() -> dict[str, dict[str, Any]]:
    host = _manager(render(_inputs()))["route_config"]["virtual_hosts"][0]
    return {route["match"]["path"]: route for route in host["routes"]}


def test_every_call_with_an_http_rule_has_a_route_to_its_service() -> None:
    routes = _routes()
    for rpc in edge_rpcs():
        assert routes[rpc.path]["route"]["cluster"] == room_of(rpc)


def test_calls_between_services_are_not_reachable_from_outside() -> None:
    assert "/internshipconnect.internship.v1.InternshipService/TakeOpening" not in _routes()


def test_envoy_waits_a_little_longer_than_the_service_so_that_its_own_error_arrives() -> None:
    routes = _routes()
    for rpc in edge_rpcs():
        if rpc.policy.deadline_ms:
            waited = float(routes[rpc.path]["route"]["timeout"].removesuffix("s"))
            assert waited * 1000 > rpc.policy.deadline_ms


def test_a_stream_has_no_deadline_at_the_edge() -> None:
    routes = _routes()
    streams = [rpc for rpc in edge_rpcs() if rpc.server_streaming]
    assert streams
    assert all(routes[rpc.path]["route"]["timeout"] == "0s" for rpc in streams)


def test_only_calls_whose_repeat_has_no_effect_are_retried() -> None:
    routes = _routes()
    for rpc in edge_rpcs():
        assert ("retry_policy" in routes[rpc.path]["route"]) == rpc.is_repeatable


def test_readiness_asks_every_service() -> None:
    filters = _manager(render(_inputs()))["http_filters"]
    ready = next(each["typed_config"] for each in filters if each["name"].endswith("health_check.ready"))
    assert set(ready["cluster_min_healthy_percentages"]) == set(ROOMS)


def test_a_service_without_an_upstream_is_refused() -> None:
    with pytest.raises(KeyError, match="analytics"):
        render(_inputs(upstreams=dict.fromkeys(ROOMS[:-1], (("127.0.0.1", 5001),))))


def test_traces_go_out_only_where_an_endpoint_is_set() -> None:
    silent, traced = render(_inputs()), render(_inputs(otlp=("127.0.0.1", 4317)))
    assert "tracing" not in _manager(silent)
    assert "tracing" in _manager(traced)
    assert "otlp" in {cluster["name"] for cluster in traced["static_resources"]["clusters"]}


def test_the_error_script_knows_every_reason_and_every_body_field_of_the_contracts() -> None:
    source = lua_source(edge_rpcs())
    assert "UNKNOWN_PARAMETER = { code = 3" in source
    assert "company = true, internship = true, me = true" in source

"""Envoy's configuration follows the contracts and the mesh file."""

import base64
import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseError

import internshipconnect
from chassis.contracts import Contracts
from chassis.ids import new_id
from chassis.security.tokens import OLDER_ISSUER
from gateway.api_surface import edge_rpcs, service_of
from gateway.envoy.api_keys import API_KEY_FILTER, API_KEY_PREFIX
from gateway.envoy.bootstrap import EnvoyNode, build_bootstrap
from gateway.envoy.clusters import build_clusters
from gateway.envoy.edge_config import EdgeConfig
from gateway.envoy.filters import BUFFER_FILTER, render_lua_source
from gateway.envoy.listener import build_edge_listener
from gateway.envoy.quotas import QUOTA_CLASSES, QUOTA_HEADER, has_quota, rate_limit_class, render_quota_lua
from gateway.envoy.rate_limits import CALLER_FILTER, rate_limit_actions, render_caller_lua
from gateway.envoy.routes import NO_TIMEOUT, build_edge_routes, build_origin_routes
from gateway.envoy.snapshot_builder import GatewaySnapshotBuilder
from gateway.envoy.tokens import JWT_FILTER
from gateway.envoy_types import Cluster, Listener, Secret, parse_message
from gateway.xds.endpoints import Endpoint
from gateway.xds.mesh import Mesh
from gateway.xds.resource_types import CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE, SECRET_TYPE
from gateway.xds.snapshot import InconsistentSnapshotError, Snapshot
from internshipconnect.options.v1.options_pb2 import IDEMPOTENCY_KEY, RateLimitClass
from services.auth.api.gateway_checks import CHECK_METHOD
from services.auth.domain.api_keys import PresentedApiKey
from verify.chart.rpc_callers import list_rpc_callers

SERVICE_NAMES = ("auth", "user", "internship", "application", "notification", "analytics")
EDGE = EdgeConfig(("127.0.0.1", 8080), pages=(("/docs", "text/html", "<p>"),))


@cache
def contracts() -> Contracts:
    set_ = Path(next(iter(internshipconnect.__path__))).with_name("internshipconnect.binpb")
    return Contracts.from_descriptor_set(set_.read_bytes())


def mesh(*names: str, **further: Any) -> Mesh:
    services = {
        service: {"port": 5001, "endpoints": {"registry": True}} for service in names or SERVICE_NAMES
    }
    return Mesh.model_validate({"regions": ["north", "south"], "services": services, **further})


def _manager(edge: EdgeConfig = EDGE, **gateway: Any) -> dict[str, Any]:
    listener = build_edge_listener(contracts(), mesh(gateway=gateway), edge)
    found: dict[str, Any] = listener["filter_chains"][0]["filters"][0]["typed_config"]
    return found


def _filter(name: str) -> dict[str, Any]:
    filters = _manager()["http_filters"]
    found: dict[str, Any] = next(each["typed_config"] for each in filters if each["name"].endswith(name))
    return found


def _routes(**gateway: Any) -> dict[str, dict[str, Any]]:
    host = build_edge_routes(contracts(), mesh(gateway=gateway), EDGE)["virtual_hosts"][0]
    exact = [
        route for route in host["routes"] if "path" in route["match"] and "headers" not in route["match"]
    ]
    return {route["match"]["path"]: route for route in exact}


def test_every_call_with_an_http_rule_has_a_route_to_its_service() -> None:
    routes = _routes()
    for rpc in edge_rpcs(contracts()):
        assert routes[rpc.path]["route"]["cluster"] == service_of(rpc)


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


def test_only_calls_whose_repeat_has_no_effect_are_retried_once_a_service_may_have_seen_them() -> None:
    routes = _routes()
    for rpc in edge_rpcs(contracts()):
        when = set(routes[rpc.path]["route"]["retry_policy"]["retry_on"].split(","))
        unsent = {"connect-failure", "refused-stream", "reset-before-request"}
        assert when - unsent == ({"unavailable", "reset"} if rpc.is_repeatable else set())


def test_a_call_with_the_clients_key_is_retried_like_one_whose_repeat_has_no_effect() -> None:
    host = build_edge_routes(contracts(), mesh(), EDGE)["virtual_hosts"][0]
    with_key = {
        route["match"]["path"]: set(route["route"]["retry_policy"]["retry_on"].split(","))
        for route in host["routes"]
        if "idempotency-key" in [each["name"] for each in route["match"].get("headers", ())]
    }
    keyed = {rpc.path for rpc in edge_rpcs(contracts()) if rpc.policy.idempotency == IDEMPOTENCY_KEY}
    assert set(with_key) == keyed
    assert all({"unavailable", "reset"} <= when for when in with_key.values())


def test_a_page_is_answered_by_envoy_itself() -> None:
    assert _routes()["/docs"]["direct_response"]["body"] == {"inline_string": "<p>"}


def test_readiness_asks_every_service() -> None:
    assert set(_filter("health_check.ready")["cluster_min_healthy_percentages"]) == set(SERVICE_NAMES)


def test_the_listener_holds_the_descriptors_so_that_a_new_call_changes_it() -> None:
    held = base64.b64decode(_filter("grpc_json_transcoder")["proto_descriptor_bin"])
    assert [rpc.path for rpc in Contracts.from_descriptor_set(held).rpcs] == [
        rpc.path for rpc in contracts().rpcs
    ]


def test_traces_go_out_only_where_a_collector_is_set() -> None:
    traced = EdgeConfig(EDGE.listen, otlp=("127.0.0.1", 4317))
    assert "tracing" not in _manager()
    assert "tracing" in _manager(traced)
    assert "otlp" in {cluster["name"] for cluster in build_clusters(mesh(), traced)}


def test_the_error_script_knows_every_reason_and_every_body_field_of_the_contracts() -> None:
    source = render_lua_source(contracts())
    assert "UNKNOWN_PARAMETER = { code = 3" in source
    assert "company = true, content = true, document = true, internship = true, me = true" in source


def test_only_callers_of_public_calls_or_with_a_ticket_may_come_without_a_token() -> None:
    rules = {rule["match"]["path"]: rule["requires"] for rule in _filter("jwt_authn")["rules"]}
    for rpc in edge_rpcs(contracts()):
        assert ("requires_any" in rules[rpc.path]) == (rpc.is_public or bool(rpc.policy.ticket))


def test_tokens_of_the_issuer_and_of_the_older_one_are_taken_where_the_mesh_file_names_one() -> None:
    filters = _manager(issuer="https://api.example.com")["http_filters"]
    tokens = next(each["typed_config"] for each in filters if each["name"] == JWT_FILTER)
    issuers = {name: provider["issuer"] for name, provider in tokens["providers"].items()}
    assert list(issuers.values()) == ["https://api.example.com", OLDER_ISSUER]
    rules = {rule["match"]["path"]: rule["requires"]["requires_any"] for rule in tokens["rules"]}
    for rpc in edge_rpcs(contracts()):
        accepted = [each.get("provider_name") for each in rules[rpc.path]["requirements"]]
        may_be_missing = rpc.is_public or bool(rpc.policy.ticket)
        assert accepted == [*issuers, *([None] if may_be_missing else [])]


def test_an_api_key_is_exchanged_before_tokens_are_verified_and_nothing_else_is_asked_for() -> None:
    names = [each["name"] for each in _manager()["http_filters"]]
    assert names.index(API_KEY_FILTER) < names.index(JWT_FILTER) < names.index(CALLER_FILTER)
    exchange = _filter("ext_authz")
    assert exchange["failure_mode_allow"] is False
    assert exchange["grpc_service"]["envoy_grpc"]["cluster_name"] in SERVICE_NAMES
    assert exchange["filter_enabled_metadata"]["value"] == {"bool_match": True}


def test_the_edge_knows_the_keys_that_auth_makes() -> None:
    presented = PresentedApiKey.new(new_id("cmp"), datetime.now(UTC))
    assert presented.encode().startswith(API_KEY_PREFIX)
    assert CHECK_METHOD in list_rpc_callers()["auth"]["gateway"]


def test_a_call_of_an_api_key_counts_for_its_company() -> None:
    for rpc in edge_rpcs(contracts()):
        assert not rpc.api_key_scope or has_quota(rpc), "the limiter would count each key by itself"


def test_every_call_is_limited_by_its_class_unless_it_is_internal() -> None:
    routes = _routes(rate_limits="127.0.0.1:8081")
    for rpc in edge_rpcs(contracts()):
        by_class = {
            each["actions"][0]["generic_key"]["descriptor_value"]
            for each in routes[rpc.path]["route"]["rate_limits"]
        }
        name = RateLimitClass.Name(rpc.policy.rate_limit).removeprefix("RATE_LIMIT_CLASS_")
        if has_quota(rpc):
            assert f'["{rpc.path}"] = "{name}"' in render_quota_lua([rpc], "gateway")
            assert by_class == set()
        else:
            assert by_class == ({name} if name != "INTERNAL" else set())


def test_calls_that_count_credentials_ask_the_limiter_each_time() -> None:
    asked = {rate_limit_class(rpc) for rpc in edge_rpcs(contracts()) if rate_limit_actions(rpc)}
    assert {"LOGIN", "SIGN_UP"} <= asked
    assert asked.isdisjoint(QUOTA_CLASSES)


def test_reports_about_quotas_take_a_route_that_no_client_can_take() -> None:
    manager = _manager(rate_limits="127.0.0.1:8081")
    [removed] = manager["early_header_mutation_extensions"]
    hosts = (
        build_edge_routes(contracts(), mesh(gateway={"rate_limits": "127.0.0.1:8081"}), EDGE),
        build_origin_routes(contracts(), mesh(gateway={"rate_limits": "127.0.0.1:8081"}), EDGE),
    )
    for host in hosts:
        report = host["virtual_hosts"][0]["routes"][0]
        assert report["match"]["headers"] == [{"name": QUOTA_HEADER, "present_match": True}]
        assert report["route"]["cluster"] == "ratelimit"
    assert removed["typed_config"]["mutations"] == [{"remove": QUOTA_HEADER}]


def test_without_a_limiter_nothing_asks_for_one() -> None:
    name = "envoy.filters.http.ratelimit"
    assert name not in [each["name"] for each in _manager()["http_filters"]]
    assert not any("rate_limits" in route.get("route", {}) for route in _routes().values())
    assert name in [each["name"] for each in _manager(rate_limits="127.0.0.1:8081")["http_filters"]]


def _view_log_clusters(**gateway: Any) -> list[str]:
    """Return where the readers of listings are logged."""
    logs = [
        each["typed_config"]["common_config"]["grpc_service"]["envoy_grpc"]["cluster_name"]
        for each in _manager(**gateway)["access_log"]
        if each["name"] == "envoy.access_loggers.http_grpc"
    ]
    addresses = {
        each["name"]: each["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]
        for each in build_clusters(mesh(gateway=gateway), EDGE)
        if each["name"] in logs
    }
    return [str(addresses[name]["socket_address"]["port_value"]) for name in logs]


def test_anonymous_readers_are_logged_for_a_counter_whether_or_not_anything_is_limited() -> None:
    assert _view_log_clusters(view_log="127.0.0.1:8082") == ["8082"]
    assert _view_log_clusters(rate_limits="127.0.0.1:8081") == ["8081"]
    assert _view_log_clusters(rate_limits="127.0.0.1:8081", view_log="127.0.0.1:8082") == ["8082"]
    assert _view_log_clusters() == []
    limits = "envoy.filters.http.ratelimit"
    assert limits not in [each["name"] for each in _manager(view_log="127.0.0.1:8082")["http_filters"]]


def test_signing_up_is_limited_by_the_address_that_the_contract_names_and_by_client() -> None:
    [register] = [rpc for rpc in edge_rpcs(contracts()) if rpc.name == "Register"]
    assert register.policy.rate_limit_account == "email"
    assert f'["{register.path}"] = 1' in render_caller_lua([register])
    sent = [
        [next(iter(action.values()))["descriptor_key"] for action in each["actions"]]
        for each in rate_limit_actions(register)
    ]
    assert sent == [
        ["class", "call", "account", "client"],
        ["class", "call", "account"],
        ["class", "call", "client"],
        ["class", "call", "client_56"],
        ["class", "call", "client_48"],
    ]


def test_who_calls_is_found_out_without_a_limiter_too() -> None:
    names = [each["name"] for each in _manager()["http_filters"]]
    assert "envoy.filters.http.lua.caller" in names


def test_what_the_cache_may_keep_is_answered_behind_it_for_as_long_as_the_contract_says() -> None:
    behind = build_origin_routes(contracts(), mesh(), EDGE)["virtual_hosts"][0]["routes"][:-1]
    kept = {
        route["match"]["path"]: route["metadata"]["filter_metadata"]["envoy.filters.http.lua"][
            "shared_cache_s"
        ]
        for route in behind
    }
    rpcs = edge_rpcs(contracts())
    assert kept == {rpc.path: rpc.policy.shared_cache_s for rpc in rpcs if rpc.policy.shared_cache_s}


def test_everything_but_public_reads_goes_past_the_cache() -> None:
    host = build_edge_routes(contracts(), mesh(), EDGE)["virtual_hosts"][0]
    cache = "envoy.filters.http.cache_v2"
    for route in host["routes"]:
        is_public_read = {"name": "authorization", "present_match": False} in route["match"].get(
            "headers", []
        )
        assert (cache in route["typed_per_filter_config"]) != is_public_read


def _with_faults(**faults: Any) -> list[dict[str, Any]]:
    found = mesh(faults=faults)
    hosts = (build_edge_routes(contracts(), found, EDGE), build_origin_routes(contracts(), found, EDGE))
    return [host for routes in hosts for host in routes["virtual_hosts"]]


def test_the_filter_of_faults_is_passed_only_while_there_is_a_fault() -> None:
    name = "envoy.filters.http.fault"
    [inert] = [each for each in _manager()["http_filters"] if each["name"] == name]
    assert inert["disabled"]
    assert not any(name in host["typed_per_filter_config"] for host in _with_faults())
    assert all(name in host["typed_per_filter_config"] for host in _with_faults(user={"abort": {}}))


def test_a_fault_is_that_of_every_call_of_its_service_and_of_no_other() -> None:
    name = "envoy.filters.http.fault"
    calls = {rpc.path: service_of(rpc) for rpc in edge_rpcs(contracts())}
    seen = set()
    for host in _with_faults(internship={"abort": {"status": "INTERNAL"}}):
        for route in host["routes"]:
            service = calls.get(route["match"].get("path", ""))
            fault = route.get("typed_per_filter_config", {}).get(name)
            assert (fault is not None) == (service == "internship")
            seen |= {(host["name"], fault["abort"]["http_status"])} if fault else set()
    assert seen == {("gateway", 500), ("origin", 500)}


def test_a_delayed_call_has_no_more_time_than_others() -> None:
    for host in _with_faults(user={"delay": {"duration_s": 9}}):
        for route in host["routes"]:
            action = route.get("route", {})
            longest = action.get("max_stream_duration", {})
            is_delayed_call = action.get("cluster") == "user" and action["timeout"] != NO_TIMEOUT
            assert ("max_stream_duration" in longest) == is_delayed_call


def test_the_bounds_of_the_mesh_file_are_the_clusters() -> None:
    figures = {"max_connections": 1, "max_pending": 2, "max_requests": 3}
    found = build_clusters(mesh(limits=figures, health_check={"interval_s": 7}), EDGE)[0]
    threshold = found["circuit_breakers"]["thresholds"][0]
    assert [threshold[name] for name in ("max_connections", "max_pending_requests", "max_requests")] == [
        1,
        2,
        3,
    ]
    assert found["health_checks"][0]["interval"] == "7.000s"


def test_a_misspelt_field_is_refused() -> None:
    with pytest.raises(ParseError, match="conect_timeout"):
        parse_message({"name": "a", "conect_timeout": "1s"}, Cluster)


def _snapshot(region: str, *endpoints: Endpoint, names: tuple[str, ...] = SERVICE_NAMES) -> Snapshot:
    builder = GatewaySnapshotBuilder(lambda: EDGE)
    return builder.build("gateway", region, contracts(), mesh(*names), {"user": endpoints})


def test_a_snapshot_is_whole() -> None:
    snapshot = _snapshot("north", Endpoint("127.0.0.1", 1, "north"))
    snapshot.check_consistency()
    assert [
        len(snapshot.resources_of(kind)) for kind in (CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE)
    ] == [7, 6, 2, 2]


def test_the_gateway_of_a_region_listens_where_the_mesh_file_says() -> None:
    builder = GatewaySnapshotBuilder(lambda: EDGE)
    found = mesh(gateway={"listen": {"south": "127.0.0.1:8081"}})
    for region, port in (("north", 8080), ("south", 8081), ("north", 8080)):
        resource = builder.build("gateway", region, contracts(), found, {}).resources_of(LISTENER_TYPE)[
            "gateway"
        ]
        assert resource.body is not None
        assert Listener.FromString(resource.body.value).address.socket_address.port_value == port


def test_a_service_that_the_mesh_lacks_is_named() -> None:
    with pytest.raises(InconsistentSnapshotError, match="names cluster 'analytics': there is none"):
        _snapshot("north", names=SERVICE_NAMES[:-1]).check_consistency()


def test_the_bootstrap_says_where_the_control_plane_is_and_nothing_of_services() -> None:
    for variant, api in (("state of the world", "GRPC"), ("delta", "DELTA_GRPC")):
        node = EnvoyNode("g1", "north", ("127.0.0.1", 9901), ("10.0.0.9", 5009), variant)  # type: ignore[arg-type]
        found = build_bootstrap(node)
        assert found["node"]["locality"] == {"region": "north"}
        assert found["dynamic_resources"]["ads_config"]["api_type"] == api
        assert [cluster["name"] for cluster in found["static_resources"]["clusters"]] == ["control-plane"]


def test_an_ops_port_answers_health_readiness_and_metrics_and_nothing_else_of_the_administration() -> None:
    node = EnvoyNode("g1", "north", ("127.0.0.1", 9901), ("10.0.0.9", 5009), ops=("0.0.0.0", 6007))
    (listener,) = build_bootstrap(node)["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    routes = manager["route_config"]["virtual_hosts"][0]["routes"]
    assert {route["match"]["path"]: route.get("route", {}).get("prefix_rewrite") for route in routes} == {
        "/health": None,
        "/ready": "/ready",
        "/metrics": "/stats/prometheus",
    }
    assert listener["address"]["socket_address"]["port_value"] == 6007


def test_the_certificate_comes_as_a_secret_whose_files_are_watched() -> None:
    files = {"certificate": "/etc/tls/tls.crt", "key": "/etc/tls/tls.key"}
    builder = GatewaySnapshotBuilder(lambda: EdgeConfig(("127.0.0.1", 8080)))
    snapshot = builder.build("gateway", "north", contracts(), mesh(gateway={"tls": files}), {})
    snapshot.check_consistency()
    (secret,) = snapshot.resources_of(SECRET_TYPE).values()
    assert secret.body is not None
    found = Secret.FromString(secret.body.value)
    assert found.tls_certificate.watched_directory.path == "/etc/tls"
    edge = snapshot.resources_of(LISTENER_TYPE)["gateway"]
    assert (SECRET_TYPE, found.name) in edge.references
    assert not builder.build("gateway", "north", contracts(), mesh(), {}).resources_of(SECRET_TYPE)


def test_a_call_that_takes_files_has_a_larger_bound_on_every_path_and_no_other_call_has() -> None:
    host = build_edge_routes(contracts(), mesh(), EDGE)["virtual_hosts"][0]
    larger = {
        json.dumps(route["match"]): route["typed_per_filter_config"][BUFFER_FILTER]["buffer"]
        for route in host["routes"]
        if "buffer" in route.get("typed_per_filter_config", {}).get(BUFFER_FILTER, {})
    }
    [upload] = [rpc for rpc in edge_rpcs(contracts()) if rpc.policy.max_request_bytes]
    assert len(larger) == 1 + len(upload.http)
    assert {each["max_request_bytes"] for each in larger.values()} == {upload.max_request_bytes}
    assert all(upload.path in match or '"exact": "PUT"' in match for match in larger)

"""The CDN's rules say what the contracts say."""

import json
import re
from collections.abc import Iterator
from functools import cache
from types import CodeType
from typing import Any

import pytest

from chassis.contracts import imported_contracts
from gateway.api_surface import edge_rpcs, service_of
from gateway.edge import cloudflare
from gateway.envoy.edge_config import API_PAGES, EdgeConfig
from gateway.envoy.filters import edge_filters
from gateway.envoy.routes import build_edge_routes
from gateway.pages.landing_pages import load_page_assets
from gateway.xds.mesh import Mesh
from internshipconnect.options.v1.options_pb2 import RateLimitClass

RPCS = edge_rpcs()
CACHEABLE = [rpc for rpc in RPCS if rpc.policy.shared_cache_s]


@cache
def _rules(phase: str) -> list[dict[str, Any]]:
    rulesets = cloudflare.build_terraform()["resource"]["cloudflare_ruleset"].values()
    [ruleset] = [each for each in rulesets if each["phase"] == phase]
    rules: list[dict[str, Any]] = ruleset["rules"]
    return rules


def test_the_committed_rules_are_those_of_the_contracts() -> None:
    assert cloudflare.COMMITTED_FILE.read_bytes() == cloudflare.render_terraform(
        cloudflare.build_terraform()
    ), "run: python -m gateway.edge.cloudflare > gateway/edge/cloudflare.tf.json"


def test_nothing_is_cached_by_default_and_what_is_cached_comes_after_that() -> None:
    first, *others = _rules("http_request_cache_settings")
    assert first["expression"] == "true"
    assert first["action_parameters"] == {"cache": False}
    assert all(rule["action_parameters"]["cache"] for rule in others)


@pytest.mark.parametrize("rpc", CACHEABLE, ids=lambda rpc: rpc.name)
def test_every_path_of_a_cacheable_call_is_cached_for_its_duration(rpc: Any) -> None:
    [rule] = [
        each
        for each in _rules("http_request_cache_settings")
        if each["ref"] == f"public_reads_{rpc.policy.shared_cache_s}s"
    ]
    for binding in rpc.http:
        assert cloudflare.path_expression(binding.path) in rule["expression"]


def test_calls_that_no_shared_cache_may_keep_are_in_no_rule_that_caches() -> None:
    expressions = " ".join(rule["expression"] for rule in _rules("http_request_cache_settings"))
    cached = {binding.path for rpc in CACHEABLE for binding in rpc.http}
    for rpc in RPCS:
        for binding in rpc.http:
            if binding.path not in cached:
                assert cloudflare.path_expression(binding.path) not in expressions


def test_signed_in_callers_are_never_answered_from_a_shared_entry() -> None:
    for rule in _rules("http_request_cache_settings")[1:]:
        if rule["ref"] == "assets":
            continue  # they are the same for everybody
        assert 'not any(http.request.headers.names[*] == "authorization")' in rule["expression"]


def test_a_template_matches_one_segment_and_neither_a_verb_nor_what_is_below() -> None:
    assert cloudflare.path_expression("/api/v1/internships/{internship_id}") == (
        '(http.request.uri.path wildcard "/api/v1/internships/*"'
        ' and not http.request.uri.path wildcard "/*/*/*/*/*"'
        ' and not http.request.uri.path contains ":")'
    )


def _is_blocked(method: str, path: str) -> bool:
    blocking = [rule for rule in _rules("http_request_firewall_custom") if rule["action"] == "block"]
    assert len(blocking) == 3
    return any(_holds(rule["expression"], method, path) for rule in blocking)


@pytest.mark.parametrize("rpc", RPCS, ids=lambda rpc: rpc.name)
def test_the_firewall_lets_every_way_to_a_call_through(rpc: Any) -> None:
    for method, path in _ways_to(rpc):
        assert not _is_blocked(method, path), (method, path)


def _paths_of_the_gateway() -> Iterator[str]:
    """Return a path for each route of a gateway with all pages, and for each filter that answers itself."""
    services = {
        name: {"port": 1, "endpoints": {"registry": True}} for name in {service_of(rpc) for rpc in RPCS}
    }
    mesh = Mesh.model_validate({"services": services})
    edge = EdgeConfig(("127.0.0.1", 8080), tuple((path, "text/html", "") for path, *_ in API_PAGES))
    for route in build_edge_routes(imported_contracts(), mesh, edge)["virtual_hosts"][0]["routes"]:
        match = route["match"]
        if "safe_regex" in match:
            yield re.sub(r"\\(.)", r"\1", match["safe_regex"]["regex"].replace("[^/:]+", "some-id"))
        elif "path_separated_prefix" in match:
            yield from (match["path_separated_prefix"], f"{match['path_separated_prefix']}/some-id")
        elif "path" in match:
            yield match["path"]
        else:
            assert match == {"prefix": "/"}, match
    for each in edge_filters(imported_contracts(), mesh):
        for header in each["typed_config"].get("headers", ()):
            yield header["string_match"]["exact"]


def test_the_firewall_lets_every_path_through_that_the_gateway_answers() -> None:
    paths = set(_paths_of_the_gateway())
    assert {
        "/health",
        "/ready",
        "/docs",
        "/openapi-all.json",
        "/app/login",
        load_page_assets()[0].path,
        "/app/internships/some-id",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    } <= paths
    assert not [path for path in sorted(paths) if _is_blocked("GET", path) or _is_blocked("POST", path)]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/wp-login.php"),
        ("GET", "/app"),
        ("GET", "/app/nowhere"),
        ("GET", "/app/login/x"),
        ("GET", "/docs/x"),
        ("GET", "/healthy"),
        ("POST", "/grpc.health.v1.Health/Check"),
        ("TRACE", "/api/v1/internships"),
        ("GET", "/api/v1/internships?q=" + "a" * cloudflare.MAX_URI_BYTES),
    ],
)
def test_the_firewall_blocks_what_nothing_answers(method: str, path: str) -> None:
    assert _is_blocked(method, path)


def test_the_rules_are_json_that_terraform_can_read() -> None:
    content = json.loads(cloudflare.COMMITTED_FILE.read_text())
    assert content["terraform"]["required_providers"]["cloudflare"]["source"] == "cloudflare/cloudflare"
    assert content["variable"]["zone_id"]["type"] == "string"


def test_the_wall_before_each_class_is_the_best_plan_that_has_a_limit() -> None:
    walls = {rule["ref"]: rule["ratelimit"] for rule in _rules("http_ratelimit")}
    figures = {ref: (wall["requests_per_period"], wall["period"]) for ref, wall in walls.items()}
    assert figures == {
        "limit_login": (1_000, 900),
        "limit_public_api": (10_000, 60),
        "limit_search": (1_000, 60),
        "limit_sign_up": (600, 900),
        "limit_suggest": (6_000, 60),
        "limit_upload": (500, 3_600),
    }


def _holds(expression: str, method: str, path: str) -> bool:
    """Return whether an expression of ours holds for one request, by Cloudflare's Rules language."""

    def wildcard(pattern: str) -> bool:
        return _wildcard_pattern(pattern).fullmatch(path) is not None

    return bool(eval(_in_python(expression), {"path": path, "method": method, "wildcard": wildcard}))


@cache
def _in_python(expression: str) -> CodeType:
    for found, meant in (
        (r'http\.request\.uri\.path wildcard "([^"]*)"', r"wildcard('\1')"),
        (r'http\.request\.uri\.path contains "([^"]*)"', r"('\1' in path)"),
        (r"http\.request\.uri\.path", "path"),
        (r"http\.request\.uri", "path"),
        (r" gt ", " > "),
        (r"http\.request\.method", "method"),
        (r'starts_with\(path, "([^"]*)"\)', r"path.startswith('\1')"),
        (r" eq ", " == "),
        (r"\{([^}]*)\}", lambda braces: "(" + braces[1].replace('" "', '", "') + ",)"),
    ):
        expression = re.sub(found, meant, expression)
    return compile(expression, "an expression", "eval")


@cache
def _wildcard_pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.IGNORECASE)


def _ways_to(rpc: Any) -> list[tuple[str, str]]:
    bound = [(binding.method, re.sub(r"\{[^}]*\}", "some-id", binding.path)) for binding in rpc.http]
    heads = [("HEAD", path) for method, path in bound if method == "GET"]
    return [*bound, *heads, ("POST", rpc.path)]


@pytest.mark.parametrize("rpc", RPCS, ids=lambda rpc: rpc.name)
def test_every_way_to_a_call_runs_into_the_wall_of_its_class_and_into_no_other(rpc: Any) -> None:
    walls = {rule["ref"]: rule["expression"] for rule in _rules("http_ratelimit")}
    own = f"limit_{RateLimitClass.Name(rpc.policy.rate_limit).removeprefix('RATE_LIMIT_CLASS_').lower()}"
    for method, path in _ways_to(rpc):
        hit = {ref for ref, expression in walls.items() if _holds(expression, method, path)}
        assert hit == {"limit_public_api"} | ({own} & walls.keys()), (method, path)


def test_no_expression_is_longer_than_cloudflare_takes() -> None:
    for phase in ("http_request_cache_settings", "http_request_firewall_custom", "http_ratelimit"):
        assert all(len(rule["expression"]) <= 4096 for rule in _rules(phase))


def test_who_runs_into_the_wall_gets_an_error_of_the_contract() -> None:
    for rule in _rules("http_ratelimit"):
        answer = rule["action_parameters"]["response"]
        assert answer["status_code"] == 429
        assert json.loads(answer["content"])["details"][0]["reason"] == "RATE_LIMITED"


def test_what_pages_use_is_kept_as_long_as_the_gateway_says() -> None:
    rule = next(each for each in _rules("http_request_cache_settings") if each["ref"] == "assets")
    assert all(_holds(rule["expression"], "GET", asset.path) for asset in load_page_assets())
    assert not _holds(rule["expression"], "GET", "/app/login")
    assert rule["action_parameters"]["edge_ttl"] == {"mode": "bypass_by_default"}


def test_robots_are_stopped_where_they_try_passwords_and_nowhere_else() -> None:
    rule = next(each for each in _rules("http_request_firewall_custom") if each["ref"] == "bots")
    conditions = rule["expression"]
    tried = {rpc.name for rpc in RPCS if f'"{rpc.path}"' in conditions}
    assert {"Login", "Register", "VerifyEmail"} <= tried < {rpc.name for rpc in RPCS}
    assert not tried & {"ListInternships", "GetInternship", "SubmitApplication"}
    assert "not cf.bot_management.verified_bot" in conditions
    assert 'not any(http.request.headers.names[*] == "authorization")' in conditions
    assert (rule["action"], rule["enabled"]) == ("managed_challenge", "${var.has_bot_management}")


def test_the_managed_rules_run_and_owasps_only_log() -> None:
    managed, owasp = _rules("http_request_firewall_managed")
    assert managed["action"] == owasp["action"] == "execute"
    assert "overrides" not in managed["action_parameters"]
    assert owasp["action_parameters"]["overrides"] == {"action": "log"}

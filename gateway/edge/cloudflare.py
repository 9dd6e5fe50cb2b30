"""Cloudflare's cache, firewall, bot and rate rules as Terraform JSON, made from the contracts and the limits.

`python -m gateway.edge.cloudflare` prints them; `cloudflare.tf.json` beside this file is its committed
output, and a test compares the two. Expressions are in Cloudflare's Rules language, rulesets in the form of
the resource `cloudflare_ruleset` of the provider `cloudflare/cloudflare`.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import orjson

import gateway.ratelimit
from chassis.contracts import ERROR_DOMAIN, RpcSpec, error_reasons, imported_contracts
from gateway.api_surface import REFLECTION_SERVICES, edge_rpcs, service_of
from gateway.envoy.edge_config import API_PAGES, EdgeConfig
from gateway.envoy.filters import HEALTH_PATH, READY_PATH
from gateway.envoy.routes import build_edge_routes
from gateway.pages.landing_pages import ASSETS_ROOT
from gateway.ratelimit.config import parse_rules, read_config_files
from gateway.ratelimit.rules import RATE_LIMIT_DOMAIN, RateLimit, RateLimitRuleSet
from gateway.xds.mesh import Mesh
from internshipconnect.options.v1.options_pb2 import RateLimitClass

COMMITTED_FILE: Final = Path(__file__).with_suffix(".tf.json")
MAX_URI_BYTES: Final = 8 * 1024
"""Bytes; the longest query within the contracts' bounds is far shorter."""
_CLOUDFLARE_RULESET: Final = "efb7b8c949ac4650a09736fc376e9aee"
_OWASP_RULESET: Final = "4814384a9e5d4991b9815dcfc25d2f1f"
_BOT_CLASSES: Final = frozenset(
    {RateLimitClass.RATE_LIMIT_CLASS_LOGIN, RateLimitClass.RATE_LIMIT_CLASS_SIGN_UP}
)
_BOT_SCORE: Final = 30
"""From 1, surely a robot, to 99."""
_PATH_PARAMETER: Final = re.compile(r"\{[^}]*\}")

PLANS: Final = ("FREE", "PREMIUM", "PRO", "ADMIN")
_RATE_LIMITED_BODY: Final = orjson.dumps(
    {
        "code": error_reasons()["RATE_LIMITED"].code.value[0],
        "message": error_reasons()["RATE_LIMITED"].help,
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "RATE_LIMITED",
                "domain": ERROR_DOMAIN,
                "metadata": {},
            }
        ],
    }
).decode()

CloudflareExpression = str
CloudflareRule = dict[str, Any]


def build_terraform() -> dict[str, Any]:
    """Return the whole Terraform file: provider, the zone as a variable, and one ruleset for each phase."""
    rpcs = edge_rpcs()
    return {
        "terraform": {
            "required_providers": {"cloudflare": {"source": "cloudflare/cloudflare", "version": "~> 5.0"}}
        },
        "variable": {
            "zone_id": {"type": "string", "description": "The zone that the gateway is served under."},
            "has_bot_management": {
                "type": "bool",
                "default": False,
                "description": "Whether the zone has Bot Management, which knows a score of each request.",
            },
        },
        "resource": {
            "cloudflare_ruleset": {
                "cache": _ruleset("http_request_cache_settings", cache_rules(rpcs)),
                "firewall": _ruleset(
                    "http_request_firewall_custom", [*firewall_rules(rpcs), _bot_rule(rpcs)]
                ),
                "managed": _ruleset("http_request_firewall_managed", managed_rules()),
                "rate_limits": _ruleset("http_ratelimit", rate_limit_rules(rpcs, _load_default_limits())),
            }
        },
    }


def _ruleset(phase: str, rules: Sequence[CloudflareRule]) -> dict[str, Any]:
    return {
        "zone_id": "${var.zone_id}",
        "name": f"internshipconnect {phase}",
        "kind": "zone",
        "phase": phase,
        "rules": list(rules),
    }


def cache_rules(rpcs: Iterable[RpcSpec]) -> list[CloudflareRule]:
    """Return one rule for each cache duration in the contracts, after one that caches nothing.

    In this phase the last matching rule decides. A client that sends a token, or whose answer the gateway
    marks as private, never gets or fills a shared entry.
    """
    by_duration: dict[int, list[str]] = {}
    for rpc in rpcs:
        if rpc.policy.shared_cache_s:
            by_duration.setdefault(rpc.policy.shared_cache_s, []).extend(
                binding.path for binding in rpc.http if binding.method == "GET"
            )
    return [
        _cache_nothing_rule(),
        *(_cache_rule(paths, max_s) for max_s, paths in sorted(by_duration.items())),
        _cache_assets_rule(),
    ]


def _cache_nothing_rule() -> CloudflareRule:
    return {
        "ref": "nothing_by_default",
        "description": "What no contract lets shared caches keep is not kept",
        "expression": "true",
        "action": "set_cache_settings",
        "action_parameters": {"cache": False},
    }


def _cache_rule(paths: Sequence[str], max_s: int) -> CloudflareRule:
    return {
        "ref": f"public_reads_{max_s}s",
        "description": f"Public reads that shared caches may keep for {max_s} s",
        "expression": and_expression(
            'http.request.method in {"GET" "HEAD"}',
            _no_authorization_expression(),
            or_expression(map(path_expression, paths)),
        ),
        "action": "set_cache_settings",
        "action_parameters": {
            "cache": True,
            # The gateway names the duration, from the same contract; otherwise nothing is cached.
            "edge_ttl": {"mode": "bypass_by_default"},
            "browser_ttl": {"mode": "respect_origin"},
            "respect_strong_etags": True,
            "serve_stale": {"disable_stale_while_updating": False},
            "cache_key": {
                "custom_key": {"query_string": {"include": {"all": True}}, "header": {"include": ["accept"]}}
            },
        },
    }


def _cache_assets_rule() -> CloudflareRule:
    return {
        "ref": "assets",
        "description": "What pages use, whose path changes with the content: a year, as the gateway says",
        "expression": and_expression(
            'http.request.method in {"GET" "HEAD"}', _begins_with(f"{ASSETS_ROOT}/")
        ),
        "action": "set_cache_settings",
        "action_parameters": {
            "cache": True,
            "edge_ttl": {"mode": "bypass_by_default"},
            "browser_ttl": {"mode": "respect_origin"},
        },
    }


def _no_authorization_expression() -> CloudflareExpression:
    return 'not any(http.request.headers.names[*] == "authorization")'


def firewall_rules(rpcs: Iterable[RpcSpec]) -> list[CloudflareRule]:
    """Return the rules that block paths and methods without a contract, and over-long URIs."""
    rpcs = tuple(rpcs)
    methods = sorted({binding.method for rpc in rpcs for binding in rpc.http} | {"HEAD", "OPTIONS"})
    known = [*map(_begins_with, _known_prefixes(rpcs)), *_page_expressions(_known_prefixes(rpcs))]
    return [
        _block_rule(
            "unknown_methods",
            "Methods that no call has",
            f"not http.request.method in {_string_list(methods)}",
        ),
        _block_rule("unknown_paths", "Paths that no call has", f"not {or_expression(known)}"),
        _block_rule(
            "long_uris", f"URIs of over {MAX_URI_BYTES} bytes", f"len(http.request.uri) gt {MAX_URI_BYTES}"
        ),
    ]


def managed_rules() -> list[CloudflareRule]:
    """Return the rules that run Cloudflare's own rulesets.

    OWASP's only logs: people write about SQL and shells in their profiles, and the gateway checks each field
    by its contract. Switch it to blocking when its log has nothing that was meant well.
    """
    return [
        _managed_rule("cloudflare_managed", "Cloudflare's managed rules", _CLOUDFLARE_RULESET),
        _managed_rule("owasp", "OWASP's core rules, logged", _OWASP_RULESET, {"action": "log"}),
    ]


def _managed_rule(
    ref: str, description: str, ruleset_id: str, overrides: Mapping[str, str] | None = None
) -> CloudflareRule:
    return {
        "ref": ref,
        "description": description,
        "expression": "true",
        "action": "execute",
        "action_parameters": {"id": ruleset_id, **({"overrides": overrides} if overrides else {})},
    }


def _bot_rule(rpcs: Iterable[RpcSpec]) -> CloudflareRule:
    """Return the rule that makes a browser prove itself where robots try addresses and passwords.

    It asks nobody who has a token, and no robot that Cloudflare knows.
    """
    tried = [rpc for rpc in rpcs if rpc.policy.rate_limit in _BOT_CLASSES]
    return {
        "ref": "bots",
        "description": "Robots that sign in or register",
        "expression": and_expression(
            f"cf.bot_management.score lt {_BOT_SCORE}",
            "not cf.bot_management.verified_bot",
            _no_authorization_expression(),
            or_expression(_call_expressions(tried)),
        ),
        "action": "managed_challenge",
        "enabled": "${var.has_bot_management}",
    }


def rate_limit_rules(rpcs: Iterable[RpcSpec], limits: RateLimitRuleSet) -> list[CloudflareRule]:
    """Return a coarse limit for each class, by address: the highest limit of any plan.

    The CDN does not know who is signed in; the gateway holds everybody to their own limit behind it.
    """
    by_class: dict[str, list[RpcSpec]] = {}
    for rpc in rpcs:
        name = RateLimitClass.Name(rpc.policy.rate_limit).removeprefix("RATE_LIMIT_CLASS_")
        by_class.setdefault(name, []).append(rpc)
    return [
        _rate_limit_rule(name, members, limit)
        for name, members in sorted(by_class.items())
        if (limit := _highest_limit(limits, name, len(members))) is not None
    ]


def _load_default_limits() -> RateLimitRuleSet:
    return parse_rules(read_config_files(Path(gateway.ratelimit.__file__).with_name("config")))


def _highest_limit(limits: RateLimitRuleSet, rate_limit_class: str, calls: int) -> RateLimit | None:
    """Return the highest limit of a class for one address; limits of each call count once a call."""
    by_plan = [(("class", rate_limit_class), ("plan", plan), ("user", "")) for plan in PLANS]
    found = _find_limits(limits, *by_plan, (("class", rate_limit_class), ("client", "")))
    for limit in _find_limits(limits, (("class", rate_limit_class), ("call", ""), ("client", ""))):
        found.append(replace(limit, requests=limit.requests * calls))
    return max(found, key=lambda limit: limit.requests / limit.window_s, default=None)


def _find_limits(limits: RateLimitRuleSet, *all_descriptors: Sequence[tuple[str, str]]) -> list[RateLimit]:
    rules = (limits.find_rule(RATE_LIMIT_DOMAIN, descriptors) for descriptors in all_descriptors)
    return [rule.limit for rule in rules if rule is not None and rule.limit is not None]


def _rate_limit_rule(name: str, rpcs: Sequence[RpcSpec], limit: RateLimit) -> CloudflareRule:
    return {
        "ref": f"limit_{name.lower()}",
        "description": f"{name}: {limit.requests} in {limit.window_s} s from one address",
        # The class of most calls needs no list of paths: it covers all calls.
        "expression": or_expression(
            map(_begins_with, _known_prefixes(edge_rpcs()))
            if name == "PUBLIC_API"
            else _call_expressions(rpcs)
        ),
        "action": "block",
        "action_parameters": {
            "response": {
                "status_code": 429,
                "content_type": "application/json",
                "content": _RATE_LIMITED_BODY,
            }
        },
        "ratelimit": {
            "characteristics": ["cf.colo.id", "ip.src"],
            "period": limit.window_s,
            "requests_per_period": limit.requests,
            "mitigation_timeout": limit.window_s,
            "requests_to_origin": True,
        },
    }


def _call_expressions(rpcs: Sequence[RpcSpec]) -> Iterator[CloudflareExpression]:
    """Yield an expression for every path of these calls: HTTP bindings, older paths included, and gRPC."""
    for rpc in rpcs:
        for binding in rpc.http:
            yield and_expression(_method_expression(binding.method), path_expression(binding.path))
    yield f"http.request.uri.path in {_string_list(sorted(rpc.path for rpc in rpcs))}"


def _method_expression(method: str) -> CloudflareExpression:
    # The gateway answers both alike.
    wanted = ("GET", "HEAD") if method == "GET" else (method,)
    return f"http.request.method in {_string_list(wanted)}"


def _known_prefixes(rpcs: Iterable[RpcSpec]) -> list[str]:
    """Return what every path of a call begins with, over HTTP or gRPC, reflection included."""
    rpcs = tuple(rpcs)
    roots = {_path_prefix(binding.path) for rpc in rpcs for binding in rpc.http}
    services = {rpc.service for rpc in rpcs} | set(REFLECTION_SERVICES)
    return [*sorted(roots), *(f"/{service}/" for service in sorted(services))]


def _begins_with(prefix: str) -> CloudflareExpression:
    return f'starts_with(http.request.uri.path, "{prefix}")'


def _page_expressions(known_prefixes: Sequence[str]) -> list[CloudflareExpression]:
    """Return conditions for the paths that the gateway answers beside calls, from its own routes."""
    matches = [route["match"] for route in _gateway_routes()]
    families = {match["path_separated_prefix"] for match in matches if "path_separated_prefix" in match}
    exact = {match["path"] for match in matches if "path" in match} | families | {HEALTH_PATH, READY_PATH}
    known = (*known_prefixes, f"{ASSETS_ROOT}/")
    pages = sorted(path for path in exact if not path.startswith(known))
    below = [_begins_with(f"{path}/") for path in sorted((*families, ASSETS_ROOT))]
    return [f"http.request.uri.path in {_string_list(pages)}", *below]


def _gateway_routes() -> list[dict[str, Any]]:
    """Return every route of a gateway that has all pages."""
    pages = tuple((path, content_type, "") for path, content_type, _ in API_PAGES)
    anywhere = {"port": 1, "endpoints": {"registry": True}}
    mesh = Mesh.model_validate({"services": {service_of(rpc): anywhere for rpc in edge_rpcs()}})
    edge = EdgeConfig(("", 0), pages)
    routes: list[dict[str, Any]] = build_edge_routes(imported_contracts(), mesh, edge)["virtual_hosts"][0][
        "routes"
    ]
    return routes


def _block_rule(ref: str, description: str, expression: CloudflareExpression) -> CloudflareRule:
    return {"ref": ref, "description": description, "expression": expression, "action": "block"}


def path_expression(path: str) -> CloudflareExpression:
    """Return the expression for paths of a template: a field stands for one segment.

    A template without a verb is no path with one.
    """
    if "{" not in path:
        return f'http.request.uri.path eq "{path}"'
    pattern = _PATH_PARAMETER.sub("*", path)
    depth = path.count("/")
    without_verb = () if ":" in pattern else ('not http.request.uri.path contains ":"',)
    return and_expression(
        f'http.request.uri.path wildcard "{pattern}"',
        f'not http.request.uri.path wildcard "{"/*" * (depth + 1)}"',
        *without_verb,
    )


def _path_prefix(path: str) -> str:
    """Return the prefix of a family of paths: `/api/`, or the first segment of an older client's path."""
    first = path.lstrip("/").partition("/")[0]
    return f"/{first}/" if first in {"api", ".well-known"} else f"/{first}"


def and_expression(*conditions: CloudflareExpression) -> CloudflareExpression:
    """Return the expression that all conditions hold."""
    return f"({' and '.join(conditions)})"


def or_expression(conditions: Iterable[CloudflareExpression]) -> CloudflareExpression:
    """Return the expression that one of the conditions holds."""
    return f"({' or '.join(conditions)})"


def _string_list(values: Iterable[str]) -> str:
    return "{" + " ".join(f'"{value}"' for value in values) + "}"


def render_terraform(content: Mapping[str, Any]) -> bytes:
    """Return the file's committed content."""
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


if __name__ == "__main__":
    sys.stdout.buffer.write(render_terraform(build_terraform()))

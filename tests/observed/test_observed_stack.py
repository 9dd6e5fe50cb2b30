"""Prometheus sees the whole of a stack, by the names that the docs give, and bounded series."""

import json
import subprocess

import pytest

from gateway.api_surface import edge_rpcs
from ops.paths import REPO
from tests.observed.prometheus_client import PrometheusClient
from tests.stack import StackHandle
from tests.waiting import wait_until_blocking

pytestmark = pytest.mark.thorough

MAX_STATUSES = 25
SEARCHES = '{objective="availability", service="internship", class="search"}'
COMMON_METRICS = {
    "http_requests_total": {"method", "route", "status_code"},
    "http_request_duration_seconds_bucket": {"method", "route", "status_code", "le"},
    "active_connections": set(),
    "cache_hits_total": {"cache_type"},
    "cache_misses_total": {"cache_type"},
    "database_query_duration_seconds_bucket": {"operation", "collection", "le"},
}


def test_every_target_is_scraped(prometheus: PrometheusClient) -> None:
    def all_up() -> bool:
        return {each["health"] for each in prometheus.targets()} == {"up"}

    wait_until_blocking(all_up, "all targets to be up")
    assert len(prometheus.targets()) >= 18


def test_every_rule_is_evaluated_without_an_error(prometheus: PrometheusClient) -> None:
    def evaluated() -> bool:
        return all(rule["health"] == "ok" for rule in prometheus.rules())

    wait_until_blocking(evaluated, "all rules to be evaluated", within_s=200.0)
    assert [rule["lastError"] for rule in prometheus.rules() if rule.get("lastError")] == []


@pytest.mark.parametrize("name", COMMON_METRICS)
def test_a_metric_has_the_name_and_labels_that_others_know(prometheus: PrometheusClient, name: str) -> None:
    found = wait_until_blocking(lambda: prometheus.query(name), f"{name} to be there")
    own = {"__name__", "job", "process", "instance"}
    assert {frozenset(set(each["metric"]) - own) for each in found} == {frozenset(COMMON_METRICS[name])}


def test_the_series_of_requests_are_bounded_by_the_contracts(prometheus: PrometheusClient) -> None:
    routes = {(rpc.http[0].method, rpc.http[0].path) for rpc in edge_rpcs() if rpc.http}
    found = wait_until_blocking(lambda: prometheus.query("http_requests_total"), "requests to be counted")
    seen = {(each["metric"].get("method", ""), each["metric"]["route"]) for each in found}

    assert seen - routes == {("other", "other")}
    assert ("GET", "/api/v1/internships") in seen
    assert len({each["metric"]["status_code"] for each in found}) <= MAX_STATUSES


def test_durations_of_requests_are_in_seconds(prometheus: PrometheusClient) -> None:
    bounds = wait_until_blocking(
        lambda: prometheus.query("count by (le) (http_request_duration_seconds_bucket)"), "durations"
    )
    assert {"0.005", "0.1", "1", "10", "+Inf"} <= {each["metric"]["le"] for each in bounds}
    in_100_ms = prometheus.value('sum(http_request_duration_seconds_bucket{le="0.1"})')
    assert in_100_ms is not None
    assert in_100_ms > 0
    count = prometheus.value("sum(http_request_duration_seconds_count)")
    total = prometheus.value("sum(http_request_duration_seconds_sum)")
    assert count
    assert total
    assert 0 < total / count < 5


def test_the_series_of_commands_are_bounded_by_the_code(prometheus: PrometheusClient) -> None:
    pairs = wait_until_blocking(
        lambda: prometheus.query("count by (operation, collection) (database_query_duration_seconds_count)"),
        "commands to be measured",
    )
    assert {each["metric"]["operation"] for each in pairs} >= {"find", "aggregate"}
    assert len(pairs) < 200


@pytest.mark.timeout(1_000)
def test_the_budgets_are_shown_with_what_is_left(stack: StackHandle, prometheus: PrometheusClient) -> None:
    wait_until_blocking(
        lambda: prometheus.query("slo:burn_rate:30d"), "the budgets to be known", within_s=900.0, every_s=2.0
    )
    command = [str(REPO / ".venv/bin/ic"), "slo", "--stack", stack.topology.name]
    shown = json.loads(subprocess.run([*command, "--json"], check=True, capture_output=True).stdout)
    budgets = {(each["objective"], each["service"], each["call_class"]): each for each in shown["budgets"]}

    assert shown["window"] == "30d"
    searches = budgets["availability", "internship", "search"]
    assert searches["target"] == 0.9999
    left = prometheus.value(f"1 - slo:burn_rate:30d{SEARCHES}")
    assert searches["left"] == pytest.approx(left, abs=1.0)
    assert searches["events_1h"] > 0
    assert budgets["edge", "gateway", ""]["left"] is not None
    table = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "99.99%" in table
    assert "left of 30d" in table


def test_status_lists_the_observers(stack: StackHandle) -> None:
    command = [str(REPO / ".venv/bin/ic"), "status", "--stack", stack.topology.name, "--json"]
    shown = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    ready = {each["name"]: each["ready"] for each in shown["processes"]}
    assert ready["prometheus"]
    assert ready["alertmanager"]


def test_the_overview_shows_every_component_and_queue(
    stack: StackHandle, prometheus: PrometheusClient
) -> None:
    wait_until_blocking(
        lambda: prometheus.query('rate(http_requests_total{status_code=~"4.."}[2m]) > 0'), "requests to rise"
    )
    command = [str(REPO / ".venv/bin/ic"), "dash", "--stack", stack.topology.name]
    shown = json.loads(subprocess.run([*command, "--json"], check=True, capture_output=True).stdout)

    components = {each["name"]: each for each in shown["components"]}
    assert {"auth-serve", "analytics-work", "gateway", "rate-limiter", "rabbit"} <= set(components)
    assert components["internship-serve"]["processes"] == 1
    assert components["internship-serve"]["calls"] > 0
    assert components["internship-serve"]["p99"] > 0
    assert {"email-notifications", "search-indexing"} <= {each["name"] for each in shown["queues"]}
    assert "4xx" in shown["requests"]
    table = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "internship-serve" in table
    assert "error budgets" in table

"""The alerts' file is sound, documented, and its check can tell a sick system from a healthy one."""

import importlib
import re
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from ops.alerts import (
    ALERT_DOCS_PAGE,
    LabelSet,
    MetricSamples,
    evaluate_alert,
    insert_alert_table,
    load_alert_rules,
)
from ops.paths import REPO

BY_NAME = {alert.name: alert for alert in load_alert_rules()}
FAMILIES = (
    "grpc|cache|breaker|bulkhead|repository|slot_map|outbox|events|queue|broker|periodic|xds|notification"
    "|ratelimit|fault_proxy|readiness|database|data_export|erasure"
)
METRIC_OWNERS = (
    "chassis.observability",
    "gateway.control_plane",
    "gateway.ratelimit",
    "services.auth",
    "services.notification",
    "services.user",
)
for module in METRIC_OWNERS:
    importlib.import_module(f"{module}.metrics")
importlib.import_module("devstack.fault_proxy.proxy")
for name in ("call_metrics", "query_metrics"):
    importlib.import_module(f"chassis.observability.{name}")
COLLECTIONS = {"slot_map_changes"}
METRICS_OF_OTHERS = {"up", "process_start_time_seconds", "envoy_server_days_until_first_cert_expiring"}
OF_A_METRIC = rf"`((?:{FAMILIES})_[a-z_]+)"


def sample(name: str, value: float, **labels: str) -> tuple[tuple[str, LabelSet], float]:
    return (name, frozenset(labels.items())), value


def scraped(*samples: tuple[tuple[str, LabelSet], float]) -> MetricSamples:
    return dict(samples)


DONE = sample("events_handled_total", 9, outcome="done")


def declared() -> set[str]:
    names = {name for name in REGISTRY._names_to_collectors if not name.startswith(("python_", "process_"))}
    parts = tuple(f"{name}{end}" for name in names for end in ("_bucket", "_count", "_sum", "_created"))
    counted = {name.removesuffix("_total") for name in names if name.endswith("_total")}
    return names - set(parts) - counted


@pytest.mark.parametrize(
    ("name", "before", "now", "fires"),
    [
        ("BrokerIsAway", [], [sample("broker_connected", 0, process="user-work")], True),
        ("BrokerIsAway", [], [sample("broker_connected", 1, process="user-work")], False),
        ("BrokerIsAway", [], [], False),
        ("DeadLetters", [], [sample("queue_messages", 1, queue="search-indexing.dead")], True),
        ("DeadLetters", [], [sample("queue_messages", 1, queue="search-indexing")], False),
        ("QueueGrows", [], [sample("queue_messages", 20_000, queue="a.dead")], False),
        ("QueueGrows", [], [sample("queue_messages", 20_000, queue="a")], True),
        (
            "EventsAreBuried",
            [sample("events_handled_total", 5, outcome="buried")],
            [
                sample("events_handled_total", 6, outcome="buried"),
                sample("events_handled_total", 9, outcome="done"),
            ],
            True,
        ),
        (
            "EventsAreBuried",
            [sample("events_handled_total", 5, outcome="buried")],
            [
                sample("events_handled_total", 5, outcome="buried"),
                sample("events_handled_total", 9, outcome="done"),
            ],
            False,
        ),
        (
            "SlotMapsDiffer",
            [],
            [sample("slot_map_version", 4, process="a"), sample("slot_map_version", 3, process="b")],
            True,
        ),
        (
            "SlotMapsDiffer",
            [],
            [sample("slot_map_version", 4, process="a"), sample("slot_map_version", 4, process="b")],
            False,
        ),
        (
            "ServiceHasNoEndpoint",
            [],
            [
                sample("xds_endpoints", 1, service="auth", region="a"),
                sample("xds_endpoints", 0, service="auth", region="b"),
                sample("xds_endpoints", 0, service="user", region="a"),
            ],
            True,
        ),
        ("ServiceHasNoEndpoint", [], [sample("xds_endpoints", 1, service="auth", region="a")], False),
        (
            "CallsFailInternally",
            [],
            [sample("grpc_server_handled_total", 1, grpc_method="A", grpc_code="INTERNAL")],
            True,
        ),
    ],
)
def test_an_alert_fires_when_and_only_when_it_should(
    name: str,
    before: list[tuple[tuple[str, LabelSet], float]],
    now: list[tuple[tuple[str, LabelSet], float]],
    fires: bool,
) -> None:
    assert bool(evaluate_alert(BY_NAME[name], scraped(*before), scraped(*now))) is fires


@pytest.mark.parametrize("name", BY_NAME)
def test_every_alert_is_understood_and_looks_at_metrics_that_there_are(name: str) -> None:
    assert evaluate_alert(BY_NAME[name], {}, {}) == {}
    assert BY_NAME[name].metrics()
    assert BY_NAME[name].metrics() <= declared() | METRICS_OF_OTHERS


def test_the_docs_show_the_alerts_as_they_are() -> None:
    page = ALERT_DOCS_PAGE.read_text()
    assert page == insert_alert_table(page), "run: python -m ops.alerts"


def test_every_metric_is_documented_and_every_documented_metric_exists() -> None:
    pages = "".join((REPO / "docs" / name).read_text() for name in ("operations.md", "rate-limits.md"))
    told = {name for name in re.findall(OF_A_METRIC, pages) if not name.endswith("_")} - COLLECTIONS
    groups = yaml.safe_load((REPO / "ops" / "common_metrics.yaml").read_text())["groups"]
    recorded = {rule["record"] for group in groups for rule in group["rules"]}
    assert declared() - told == set()
    assert told - declared() - recorded == set()


@pytest.mark.parametrize("name", sorted(declared()))
def test_names_and_units_follow_the_conventions(name: str) -> None:
    collector: Any = REGISTRY._names_to_collectors[name]
    if not hasattr(collector, "_labelnames"):
        families: list[Any] = list(collector.collect())
        [family] = [each for each in families if name in {each.name, f"{each.name}_total"}]
        is_counter, labels = family.type == "counter", family._labelnames
    else:
        is_counter = type(collector).__name__ in {"Counter", "LazyCounter"}
        labels = collector._labelnames
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name)
    assert not re.search(r"_(ms|millis|milliseconds|minutes|kb|mb|percent)(_|$)", name), (
        "seconds, bytes, ratios"
    )
    assert name.endswith("_total") == is_counter
    assert set(labels) <= {
        *(
            "grpc_service",
            "grpc_method",
            "grpc_code",
            "outcome",
            "cause",
            "layer",
            "node",
            "dependency",
            "shard",
        ),
        *("queue", "type", "name", "node_group", "region", "version", "digest", "file", "source", "service"),
        *("rule", "code", "store", "kind", "form", "collection", "operation"),
    }

"""What every process of a live stack exports: only what means something there, and nothing that alarms."""

import re
from collections import defaultdict

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from devstack.stack import Stack
from ops.alerts import MetricSamples, evaluate_alert, load_alert_rules
from tests.stack import StackHandle
from tests.waiting import wait_until_blocking

ONLY_OF: dict[str, str] = {
    "broker_connected": r".*-work(-\d)?",
    "queue_messages": r".*-work(-\d)?",
    "events_": r".*-work(-\d)?",
    "outbox_": r".*-work(-\d)?",
    "periodic_": r".*-work(-\d)?",
    "slot_map_": r".*-(serve|work)(-\d)?",
    "grpc_server_": r".*-serve(-\d)?",
    "ratelimit_": r"rate-limiter",
    "xds_": r"control-plane",
}
ALWAYS: dict[str, tuple[str, ...]] = {
    r".*-work": ("slot_map_version", "outbox_lag_seconds"),
    r"(?!auth).*-work": ("broker_connected", "queue_messages"),
    r".*-serve": ("grpc_server_in_flight", "slot_map_version", "slot_map_lease_seconds"),
    r"rate-limiter": ("ratelimit_should_rate_limit_seconds_count",),
    r"control-plane": ("xds_endpoints", "xds_build_errors_total"),
}
NAME = re.compile(r"[\w./:@-]*")


@pytest.fixture(scope="module")
def stack() -> StackHandle:
    return StackHandle.under_test()


def scrape(stack: StackHandle) -> MetricSamples:
    found = {}
    for process in Stack.assemble(stack.topology).processes:
        port = dict(process.ports).get("ops")
        if port is None:
            continue
        text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=60.0, trust_env=False).text
        for family in text_string_to_metric_families(text):
            for each in family.samples:
                found[each.name, frozenset({**each.labels, "process": process.name}.items())] = each.value
    return found


def by_process(samples: MetricSamples) -> dict[str, set[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for name, labels in samples:
        found[dict(labels)["process"]].add(name)
    return found


def test_a_process_exports_what_means_something_there_and_nothing_else(stack: StackHandle) -> None:
    exported = by_process(scrape(stack))
    assert len(exported) >= 14
    misplaced = [
        (process, name)
        for process, names in exported.items()
        for name in names
        for prefix, owners in ONLY_OF.items()
        if name.startswith(prefix) and not re.fullmatch(owners, process)
    ]
    assert misplaced == []
    missing = [
        (process, name)
        for pattern, names in ALWAYS.items()
        for process in exported
        if re.fullmatch(pattern, process)
        for name in names
        if name not in exported[process]
    ]
    assert missing == []


def test_labels_are_names_and_no_series_shows_when_it_began(stack: StackHandle) -> None:
    samples = scrape(stack)
    prose = {
        (name, label, value)
        for name, labels in samples
        for label, value in labels
        if not NAME.fullmatch(value) and label != "le" and not name.startswith("python_")
    }
    assert prose == set()
    assert [name for name, _ in samples if name.endswith("_created")] == []


COUNTED_FROM_START = re.compile(r"increase\((?P<name>\w+)\{(?P<label>\w+)=~?\"(?P<values>[\w|]+)\"\}")


def test_failures_that_alerts_count_are_exported_before_the_first_one(stack: StackHandle) -> None:
    """Prometheus sees no increase in a series that begins with 1."""
    samples = scrape(stack)
    missing = [
        (alert.name, value)
        for alert in load_alert_rules()
        if (match := COUNTED_FROM_START.search(alert.expression)) is not None
        for value in match["values"].split("|")
        if not any(
            name == match["name"] and dict(labels).get(match["label"]) == value for name, labels in samples
        )
    ]
    assert missing == []


def test_no_documented_alert_fires_on_a_healthy_stack(stack: StackHandle) -> None:
    def fire_now() -> list[str]:
        before, now = scrape(stack), scrape(stack)
        return [
            f"{alert.name}: {dict(found)}"
            for alert in load_alert_rules()
            if (found := evaluate_alert(alert, before, now))
        ]

    last: list[str] = []

    def all_is_quiet() -> bool:
        last[:] = fire_now()
        return not last

    try:
        wait_until_blocking(all_is_quiet, "no alert to fire", every_s=1.0)
    except TimeoutError:
        pytest.fail("\n".join(last))

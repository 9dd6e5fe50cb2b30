"""Counters that a stack keeps by itself: metrics of its processes, and commands of MongoDB."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import httpx
from prometheus_client.parser import text_string_to_metric_families
from pymongo import MongoClient

from devstack.topology_parts import LOOPBACK

COUNTED_COMMANDS: Final = (
    *("find", "insert", "update", "delete", "findAndModify", "aggregate", "getMore", "commitTransaction"),
)
READ_TIMEOUT_S: Final = 5.0


def read_metrics(ops_port: int) -> str:
    """Return a process's metrics in Prometheus's text format. Raises httpx.HTTPError."""
    url = f"http://{LOOPBACK}:{ops_port}/metrics"
    return httpx.get(url, timeout=READ_TIMEOUT_S, trust_env=False).raise_for_status().text


def sum_metric(text: str, name: str, **labels: str) -> float:
    """Return the sum of a metric's samples that have these labels; 0 without one."""
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return sum(each.value for each in samples if each.name == name and labels.items() <= each.labels.items())


def count_commands(clients: Iterable[MongoClient[dict[str, Any]]]) -> dict[str, int]:
    """Return how many commands of each counted kind the servers have carried out so far."""
    found = [client.admin.command("serverStatus")["metrics"]["commands"] for client in clients]
    return {name: sum(each[name]["total"] for each in found if name in each) for name in COUNTED_COMMANDS}


def commands_per_call(before: Mapping[str, int], after: Mapping[str, int], calls: int) -> dict[str, float]:
    """Return the commands between two readings for each call, by name."""
    return {name: (count - before[name]) / max(1, calls) for name, count in sorted(after.items())}

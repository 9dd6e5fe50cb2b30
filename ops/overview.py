"""The figures of `ic dash` by Prometheus: what each part of a system does now, its budgets and its alerts."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from ops.prometheus import Sample, query_samples
from ops.slo.objectives import FAULT_CODES, load_objectives

WINDOW: Final = "2m"
"""Twice a scrape interval at least."""
_OURS: Final = 'grpc_code=~"' + "|".join(FAULT_CODES) + '"'
_FAILED: Final = 'outcome=~"failed|buried|unreadable"'


def _rate(name: str, by: str, labels: str = "") -> str:
    return f"sum by ({by}) (rate({name}{{{labels}}}[{WINDOW}]))"


def _quantile(quantile: float, histogram: str, by: str = "") -> str:
    return f"histogram_quantile({quantile}, {_rate(f'{histogram}_bucket', f'le,{by}'.rstrip(','))})"


_CALLS: Final = "grpc_server_handled_total"
_REQUESTS_BY_CLASS: Final = (
    f'label_replace(rate(http_requests_total[{WINDOW}]), "status_class", "${{1}}xx", "status_code", "(.).*")'
)
_QUERIES: Final = {
    "calls": _rate(_CALLS, "job"),
    "failed": f"{_rate(_CALLS, 'job', _OURS)} / {_rate(_CALLS, 'job')}",
    "p50": _quantile(0.5, "grpc_server_handling_seconds", "job"),
    "p99": _quantile(0.99, "grpc_server_handling_seconds", "job"),
    "in_flight": "sum by (job) (grpc_server_in_flight)",
    "memory": "sum by (job) (process_resident_memory_bytes)",
    "processes": "count by (job) (up == 1)",
    "down": "count by (job) (up == 0)",
    "requests": f"sum by (status_class) ({_REQUESTS_BY_CLASS})",
    "requests_p99": _quantile(0.99, "http_request_duration_seconds"),
    "connections": "sum(active_connections)",
    "waiting": "max by (queue) (queue_messages)",
    "handled": _rate("events_handled_total", "queue"),
    "not_handled": _rate("events_handled_total", "queue", _FAILED),
    "event_age_p95": _quantile(0.95, "events_age_seconds", "queue"),
    "alerts": 'ALERTS{alertstate="firing"}',
}
_MAX_QUERIES: Final = 8


@dataclass(frozen=True)
class ComponentFigures:
    """One part of the system, all its processes together; None: it has no such figure, or nothing happened.

    Rates are a second over two minutes, durations seconds, memory bytes; `failed` is the share of calls
    that failed by our fault.
    """

    name: str
    processes: int
    down: int
    calls: float | None
    failed: float | None
    p50: float | None
    p99: float | None
    in_flight: float | None
    memory: float | None


@dataclass(frozen=True)
class QueueFigures:
    """One queue: messages that wait, events taken and failed a second, the age of handled ones in seconds."""

    name: str
    waiting: float | None
    handled: float | None
    failed: float | None
    age_p95: float | None


@dataclass(frozen=True)
class Overview:
    """A whole system now.

    `requests` are those of the gateway a second by status class such as `2xx`; `budgets` the share that is
    left of each error budget, the smallest first; `alerts` name and severity of those that fire.
    """

    requests: Mapping[str, float]
    requests_p99: float | None
    connections: float | None
    components: tuple[ComponentFigures, ...]
    queues: tuple[QueueFigures, ...]
    budgets: tuple[tuple[str, float], ...]
    alerts: tuple[tuple[str, str], ...]


def read_overview(prometheus_url: str) -> Overview:
    """Return the figures of a system. Raises OpsError if Prometheus does not answer."""
    queries = {**_QUERIES, "budgets": f"1 - slo:burn_rate:{load_objectives().window}"}
    with ThreadPoolExecutor(max_workers=_MAX_QUERIES) as pool:
        answers = pool.map(lambda query: query_samples(prometheus_url, query), queries.values())
        return _summarize(dict(zip(queries, answers, strict=True)))


def _summarize(found: Mapping[str, list[Sample]]) -> Overview:
    def by(label: str, *names: str) -> Callable[[str, str], float | None]:
        tables = {name: {each.labels.get(label, ""): each.value for each in found[name]} for name in names}
        return lambda name, key: tables[name].get(key)

    component = by("job", "calls", "failed", "p50", "p99", "in_flight", "memory", "processes", "down")
    queue = by("queue", "waiting", "handled", "not_handled", "event_age_p95")
    jobs = sorted({each.labels["job"] for name in ("processes", "down") for each in found[name]})
    queues = sorted({each.labels["queue"] for name in ("waiting", "handled") for each in found[name]})
    return Overview(
        requests={
            each.labels.get("status_class", ""): each.value
            for each in sorted(found["requests"], key=lambda each: each.labels.get("status_class", ""))
            if each.value
        },
        requests_p99=_single(found["requests_p99"]),
        connections=_single(found["connections"]),
        components=tuple(
            ComponentFigures(
                name=job,
                processes=int(component("processes", job) or 0),
                down=int(component("down", job) or 0),
                calls=component("calls", job),
                failed=component("failed", job),
                p50=component("p50", job),
                p99=component("p99", job),
                in_flight=component("in_flight", job),
                memory=component("memory", job),
            )
            for job in jobs
        ),
        queues=tuple(
            QueueFigures(
                name=name,
                waiting=queue("waiting", name),
                handled=queue("handled", name),
                failed=queue("not_handled", name),
                age_p95=queue("event_age_p95", name),
            )
            for name in queues
        ),
        budgets=tuple(
            sorted(
                ((_budget_name(each.labels), each.value) for each in found["budgets"]), key=lambda row: row[1]
            )
        ),
        alerts=tuple(
            sorted({(each.labels["alertname"], each.labels.get("severity", "")) for each in found["alerts"]})
        ),
    )


def _single(samples: list[Sample]) -> float | None:
    return samples[0].value if samples else None


def _budget_name(labels: Mapping[str, str]) -> str:
    parts = (labels.get(label, "") for label in ("objective", "service", "class"))
    return " ".join(part for part in parts if part)

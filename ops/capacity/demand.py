"""The demand of requests: what one of each kind costs every component, and how many there are."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ops.capacity.capacity_plan import PlanRequest
from ops.capacity.measured import MeasuredFigures
from ops.capacity.tables import RequestKind, WorkloadTable

GATEWAY: Final = "gateway"
RATE_LIMITER: Final = "rate-limiter"
SERVE: Final = "serve"
WORK_SUFFIX: Final = "-work"
MONGOD: Final = "mongod"
MONGOD_SECONDARY: Final = "mongod-secondary"
REDIS: Final = "redis"
RABBIT: Final = "rabbit"
MAILBOX: Final = "mailbox"
"""The stack's stand-in for a mail provider; no part of a cluster."""
FIND_CLIENT: Final = "find/client"
FIND_MONGOD: Final = "find/mongod"


@dataclass(frozen=True)
class RequestPath:
    """One kind of request to one service: its share of all requests, and its CPU by component in µs."""

    kind: str
    layer: str
    service: str
    share: float
    cpu_us: Mapping[str, float]


def build_paths(
    workload: WorkloadTable, figures: MeasuredFigures, request: PlanRequest, search_shards: float
) -> list[RequestPath]:
    """Return the paths of all kinds when a search asks `search_shards` shards.

    Raises:
        FiguresError: a row is missing.
    """
    return [
        RequestPath(
            name,
            kind.layer,
            service,
            request.layers[kind.layer] * kind.share / 100 * part,
            _cost_by_component(kind, service, workload, figures, search_shards),
        )
        for name, kind in workload.kinds.items()
        for service, part in _service_parts(kind)
    ]


def demand_cores(paths: Iterable[RequestPath], rps: float) -> dict[str, float]:
    """Return by component the cores that `rps` requests a second use."""
    cores: dict[str, float] = defaultdict(float)
    for path in paths:
        for component, cpu_us in path.cpu_us.items():
            cores[component] += rps * path.share * cpu_us / 1e6
    return dict(cores)


def kind_rates(workload: WorkloadTable, request: PlanRequest) -> dict[str, float]:
    """Return by kind the requests a second at peak."""
    return {
        name: request.rps * request.layers[kind.layer] * kind.share / 100
        for name, kind in workload.kinds.items()
    }


def flow_rates(workload: WorkloadTable, request: PlanRequest) -> dict[str, float]:
    """Return what the requests of a second at peak cause, by name; bytes without overhead."""
    flows: dict[str, float] = defaultdict(float)
    for name, rate in kind_rates(workload, request).items():
        kind = workload.kinds[name]
        flows["applications"] += rate * kind.applications
        flows["writes"] += rate * kind.writes
        flows["events"] += rate * kind.events
        flows["handled_events"] += rate * kind.events * kind.queues_per_event
        flows["mails"] += rate * kind.mails
        flows["redis_commands"] += rate * kind.redis_commands
        flows["shard_commands"] += rate * kind.commands_per_shard
        flows["request_bytes"] += rate * kind.request_bytes
        flows["answer_bytes"] += rate * kind.answer_bytes
        flows["written_bytes"] += rate * kind.written_bytes
        if kind.services:
            flows["service_bytes"] += rate * (kind.request_bytes + kind.answer_bytes)
    return dict(flows)


def _service_parts(kind: RequestKind) -> list[tuple[str, float]]:
    return [(name, share / 100) for name, share in kind.services.items()] or [("", 1.0)]


def _cost_by_component(
    kind: RequestKind,
    service: str,
    workload: WorkloadTable,
    figures: MeasuredFigures,
    search_shards: float,
) -> dict[str, float]:
    cost: dict[str, float] = defaultdict(float)
    for component, terms in kind.cpu.items():
        name = f"{service}-{SERVE}" if component == SERVE else component
        cost[name] += max(0.0, sum(figures.cpu_us(row) * factor for row, factor in terms.items()))
    for row, factor in kind.processes_of.items():
        _add_processes(cost, figures, row, factor, only_workers=False)
    for row, factor in kind.workers_of.items():
        _add_processes(cost, figures, row, factor, only_workers=True)
    if kind.commands_per_shard:
        more = kind.commands_per_shard * max(0.0, search_shards - workload.sizing.bench_shards)
        cost[f"{service}-{SERVE}"] += more * figures.cpu_us(FIND_CLIENT)
        cost[MONGOD_SECONDARY] += more * figures.cpu_us(FIND_MONGOD)
    if kind.redis_commands:
        cost[REDIS] += kind.redis_commands * figures.cpu_us(REDIS)
    return dict(cost)


def _add_processes(
    cost: dict[str, float], figures: MeasuredFigures, row: str, factor: float, *, only_workers: bool
) -> None:
    figures.cpu_us(row)
    for process, cpu_us in figures.rows[row].by_process.items():
        is_worker = process.endswith(WORK_SUFFIX) or process == RABBIT
        if process != MAILBOX and (is_worker or not only_workers):
            cost[process] += factor * cpu_us

"""Makes the plan: demand from requests, pods from demand, shards until pods and shards fit each other."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from ops.capacity import costs, limits, stores
from ops.capacity.capacity_plan import (
    CapacityPlan,
    ComponentSize,
    PlanError,
    PlanRequest,
    StoreSize,
    Traffic,
)
from ops.capacity.demand import (
    FIND_CLIENT,
    GATEWAY,
    MONGOD,
    RATE_LIMITER,
    RequestPath,
    build_paths,
    demand_cores,
    flow_rates,
    kind_rates,
)
from ops.capacity.tables import PlanTables, PodRequest, WorkloadTable
from ops.service_names import SERVICES

CONTROL_PLANE: Final = "control-plane"
ROLES: Final = ("serve", "work")
MAX_ROUNDS: Final = 200
MAX_SHARDS: Final = 16_384
"""The number of slots: a shard without one holds nothing."""


@dataclass(frozen=True)
class _Round:
    """Pods and load for one number of shards."""

    shards: int
    paths: list[RequestPath]
    cores: Mapping[str, float]
    components: tuple[ComponentSize, ...]
    load: stores.ShardLoad


def make_plan(request: PlanRequest, tables: PlanTables) -> CapacityPlan:
    """Return the plan.

    Raises:
        PlanError: no number of pods or shards carries the load.
        FiguresError: a measured figure is missing.
    """
    workload = tables.workload
    flows = flow_rates(workload, request)
    storage = stores.store_records(workload, tables.records, request, flows)
    found, decided_by = _find_shards(
        request, tables, sum(each.data_bytes + each.index_bytes for each in storage)
    )
    plan = CapacityPlan(
        request=request,
        components=found.components,
        stores=_size_stores(request, tables, found, decided_by),
        storage=storage,
        traffic=_traffic(workload, flows),
        costs=(),
        limits=(),
        rates=kind_rates(workload, request) | flows,
        notes=_notes(request, tables, found),
    )
    priced = replace(plan, costs=costs.price_plan(plan, tables))
    return replace(priced, limits=limits.find_limits(priced, tables, found.load, found.cores))


def plan_paths(request: PlanRequest, tables: PlanTables, plan: CapacityPlan) -> list[RequestPath]:
    """Return the paths of requests with the shards of a plan."""
    searched = request.search_shards or plan.store(MONGOD).groups
    return build_paths(tables.workload, tables.figures, request, searched)


def _find_shards(request: PlanRequest, tables: PlanTables, storage_bytes: float) -> tuple[_Round, str]:
    """Raise the number of shards until it carries what the pods for it ask of it."""
    shards = 1
    for _ in range(MAX_ROUNDS):
        found = _size_round(request, tables, shards)
        wanted, decided_by = stores.needed_shards(tables, request, storage_bytes, found.load, shards)
        if wanted <= shards:
            return found, decided_by
        if wanted > MAX_SHARDS:
            break
        shards = wanted
    raise PlanError(
        f"more than {MAX_SHARDS:,} shards would be needed, and there are as many slots: use larger machines "
        "and disks, or fewer requests to the database"
    )


def _size_round(request: PlanRequest, tables: PlanTables, shards: int) -> _Round:
    workload = tables.workload
    paths = build_paths(workload, tables.figures, request, request.search_shards or shards)
    cores = demand_cores(paths, request.rps)
    overhead = shards / workload.sizing.confirm_interval_s * tables.figures.cpu_us(FIND_CLIENT) / 1e6
    components = _size_components(workload, request, cores, overhead)
    processes = sum(each.pods for each in components if each.overhead_cores > 0)
    load = stores.shard_load(tables, request, cores, shards, processes)
    return _Round(shards, paths, cores, components, load)


def _size_components(
    workload: WorkloadTable, request: PlanRequest, cores: Mapping[str, float], overhead: float
) -> tuple[ComponentSize, ...]:
    services = [f"{service}-{role}" for service in SERVICES for role in ROLES]
    sizes = [
        size_component(workload, request.regions, name, cores.get(name, 0.0), overhead) for name in services
    ]
    sizes += [
        size_component(workload, request.regions, name, cores.get(name, 0.0), 0.0)
        for name in (GATEWAY, RATE_LIMITER)
    ]
    pod = workload.pods[CONTROL_PLANE]
    number = workload.sizing.control_planes_per_region
    fixed = number * request.regions
    control_plane = ComponentSize(
        CONTROL_PLANE, fixed, fixed, fixed, number, pod.cores, pod.memory_mib, 0.0, 0.0
    )
    return (*sizes, control_plane)


def pod_request(workload: WorkloadTable, component: str) -> PodRequest:
    """Return what a pod of a component requests: by its own name, or by its role."""
    return workload.pods.get(component) or workload.pods[component.rpartition("-")[2]]


def size_component(
    workload: WorkloadTable, regions: int, name: str, demand: float, overhead: float
) -> ComponentSize:
    """Return the pods of a component for a demand in cores; each region has equally many.

    Raises:
        PlanError: a pod has no CPU left for requests.
    """
    sizing, pod = workload.sizing, pod_request(workload, name)
    usable = pod.cores * sizing.utilisation - overhead
    if usable <= 0:
        raise PlanError(
            f"a pod of {name} uses {overhead:.2f} of its {pod.cores:g} cores to follow the slot maps of all "
            "shards, and none is left: use fewer, larger shards (shard_disk_gb of --workload)"
        )
    needed = math.ceil(demand * (1 + sizing.headroom) / usable - 1e-9)
    mean = math.ceil(demand * workload.traffic.mean_to_peak / usable - 1e-9)
    per_region = math.ceil(max(needed, sizing.min_pods) / regions)
    pods = per_region * regions
    return ComponentSize(
        name=name,
        pods=pods,
        needed_pods=needed,
        mean_pods=min(pods, max(mean, sizing.min_pods)),
        pods_per_region=per_region,
        cores_per_pod=pod.cores,
        memory_mib=pod.memory_mib,
        demand_cores=demand,
        overhead_cores=overhead,
    )


def _size_stores(
    request: PlanRequest, tables: PlanTables, found: _Round, decided_by: str
) -> tuple[StoreSize, ...]:
    workload, prices = tables.workload, tables.prices
    machine = prices.machines[MONGOD]
    nodes = found.shards * workload.sizing.members
    shards = StoreSize(MONGOD, found.shards, nodes, machine.name, machine.cores * nodes, decided_by)
    sizes = [
        shards,
        stores.size_redis(workload, prices, request, found.cores),
        stores.size_rabbit(workload, prices, request, found.cores),
    ]
    if request.search_shards:
        sizes.append(stores.size_search(workload, prices, request, request.search_shards))
    return tuple(sizes)


def _traffic(workload: WorkloadTable, flows: Mapping[str, float]) -> Traffic:
    rules = workload.traffic
    copies = flows["written_bytes"] * workload.sizing.members_elsewhere
    away = flows.get("service_bytes", 0.0) * rules.away_share
    return Traffic(
        in_bytes=flows["request_bytes"] * rules.header_overhead,
        out_bytes=flows["answer_bytes"] * rules.header_overhead,
        between_regions_bytes=(copies + away) * rules.header_overhead,
        mean_to_peak=rules.mean_to_peak,
    )


def _notes(request: PlanRequest, tables: PlanTables, found: _Round) -> tuple[str, ...]:
    """Return what a reader of the plan has to know, in sentences."""
    sizing = tables.workload.sizing
    notes = []
    raised = [
        each for each in found.components if each.name != CONTROL_PLANE and each.needed_pods < each.pods
    ]
    if idle := [each.name for each in raised if each.needed_pods <= each.pods / 4]:
        notes.append(
            f"the lower bound of {sizing.min_pods} pods decides, not demand (--min-pods): {', '.join(idle)}"
        )
    if beyond := [each.name for each in found.components if each.pods > sizing.max_pods]:
        notes.append(f"more than the upper bound of {sizing.max_pods} pods (--max-pods): {', '.join(beyond)}")
    if not request.search_shards and found.shards > 1:
        notes.append(
            f"each search asks all {found.shards} shards; --search-shards N shows it with N of its own"
        )
    notes.append(f"measured figures: {tables.figures.origin}")
    notes.append(f"records: {tables.records.measured_on}, {tables.records.source}")
    notes.append(f"prices: {tables.prices.as_of}, {tables.prices.source}")
    return tuple(notes)

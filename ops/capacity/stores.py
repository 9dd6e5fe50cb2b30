"""Sizes of the stores: what the collections hold, and the nodes of shards, Redis and RabbitMQ."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ops.capacity.capacity_plan import CollectionStorage, PlanError, PlanRequest, StoreSize
from ops.capacity.demand import FIND_MONGOD, MONGOD, MONGOD_SECONDARY, RABBIT, REDIS
from ops.capacity.tables import PlanTables, PriceTable, RecordTable, WorkloadTable

SEARCH_STORE: Final = "search"
SECONDS_PER_DAY: Final = 86_400
MIN_CLUSTER_NODES: Final = 3
MIB: Final = 2**20
GIB: Final = 2**30


@dataclass(frozen=True)
class ShardLoad:
    """The cores that one shard's primary and each of its secondaries use at peak.

    The `fixed` parts are those of each shard however many there are.
    """

    primary: float
    secondary: float
    fixed_primary: float
    fixed_secondary: float


def growth_factor(workload: WorkloadTable) -> float:
    """Return by how much users have grown at the end of the plan."""
    return float((1 + workload.traffic.growth_per_year) ** (workload.traffic.months / 12))


def store_records(
    workload: WorkloadTable, records: RecordTable, request: PlanRequest, flows: Mapping[str, float]
) -> tuple[CollectionStorage, ...]:
    """Return what each collection holds at the end of the plan, the largest first.

    Raises:
        PlanError: a collection or unit is unknown.
    """
    units = _count_units(workload, request, flows)
    found = []
    for name, rule in workload.records.items():
        if name not in records.collections:
            raise PlanError(f"the table of records has no collection {name}: ic plan measure-records")
        if rule.per not in units:
            raise PlanError(f"records of {name} are per '{rule.per}'; there are: {', '.join(units)}")
        size = records.collections[name]
        count = units[rule.per] * rule.number * (rule.kept_days or 1)
        data = max(size.stored_bytes, size.document_bytes * workload.sizing.min_stored_share)
        index = size.index_bytes * workload.sizing.index_fragmentation
        found.append(CollectionStorage(name, count, count * data, count * index))
    return tuple(sorted(found, key=lambda each: -(each.data_bytes + each.index_bytes)))


def _count_units(
    workload: WorkloadTable, request: PlanRequest, flows: Mapping[str, float]
) -> dict[str, float]:
    """Return by unit its number at the end of the plan; of a flow, that of one day."""
    growth, people = growth_factor(workload), workload.population
    users = request.users * growth
    per_day = SECONDS_PER_DAY * workload.traffic.mean_to_peak * growth
    return {
        "user": users,
        "company": users * people.companies,
        "listing": users * people.listings,
        "open_listing": users * people.open_listings,
        "searchable_student": users * people.searchable_students,
        "session": users * people.sessions,
        "application": flows["applications"] * per_day,
        "mail": flows["mails"] * per_day,
        "write": flows["writes"] * per_day,
        "handled_event": flows["handled_events"] * per_day,
    }


def shard_load(
    tables: PlanTables, request: PlanRequest, cores: Mapping[str, float], shards: int, processes: int
) -> ShardLoad:
    """Return the load of each of `shards` shards, which all `processes` ask for their slot map."""
    sizing, find_s = tables.workload.sizing, tables.figures.cpu_us(FIND_MONGOD) / 1e6
    fixed = processes / sizing.confirm_interval_s * find_s
    spread = cores.get(MONGOD, 0.0) / shards
    if request.search_shards:
        return ShardLoad(spread + fixed, sizing.apply_share * spread, fixed, 0.0)
    readers = max(1, sizing.members - 1)
    commands = sum(
        request.rps * request.layers[kind.layer] * kind.share / 100 * kind.commands_per_shard
        for kind in tables.workload.kinds.values()
    )
    searches = cores.get(MONGOD_SECONDARY, 0.0) / shards / readers
    every_search = commands * find_s / readers
    if sizing.members == 1:
        return ShardLoad(spread + fixed + searches, 0.0, fixed + every_search, 0.0)
    return ShardLoad(spread + fixed, sizing.apply_share * spread + searches, fixed, every_search)


def needed_shards(
    tables: PlanTables, request: PlanRequest, storage_bytes: float, load: ShardLoad, shards: int
) -> tuple[int, str]:
    """Return the number of shards that storage, memory, CPU and regions ask for, and which decides.

    `load` is that with `shards` shards.

    Raises:
        PlanError: what every shard executes is more than a machine carries.
    """
    sizing = tables.workload.sizing
    capacity = tables.prices.machines[MONGOD].cores * sizing.utilisation / (1 + sizing.headroom)
    _require_capacity_for_fixed_load(load, capacity)
    primary = (load.primary - load.fixed_primary) * shards / (capacity - load.fixed_primary)
    secondary = max(0.0, load.secondary - load.fixed_secondary) * shards / (capacity - load.fixed_secondary)
    cache_bytes = tables.prices.machines[MONGOD].memory_gib * GIB * sizing.cache_share
    wanted = {
        "storage": math.ceil(storage_bytes / (sizing.shard_disk_gb * 1e9 * sizing.disk_fill)),
        "memory for what is hot": math.ceil(storage_bytes * sizing.hot_share / cache_bytes),
        "CPU of primaries": math.ceil(primary - 1e-9),
        "CPU of secondaries": math.ceil(secondary - 1e-9),
        "one for each region": request.regions,
    }
    decided_by = max(wanted, key=lambda name: wanted[name])
    return max(1, wanted[decided_by]), decided_by


def _require_capacity_for_fixed_load(load: ShardLoad, capacity: float) -> None:
    most = max(load.fixed_primary, load.fixed_secondary)
    if most >= capacity:
        raise PlanError(
            "every shard executes every search, and every process asks it for its slot map: that takes "
            f"{most:.1f} of {capacity:.1f} cores on each member, whatever the number of shards. Give "
            "searches shards of their own (--search-shards), more members, larger machines (--prices), or "
            "more to the caches (--layers)"
        )


def size_redis(
    workload: WorkloadTable, prices: PriceTable, request: PlanRequest, cores: Mapping[str, float]
) -> StoreSize:
    """Return the nodes of one Redis Cluster in each region; a node executes commands on one core."""
    sizing, machine = workload.sizing, prices.machines[REDIS]
    of_region = cores.get(REDIS, 0.0) / request.regions * (1 + sizing.headroom)
    memory = redis_bytes_per_region(workload, request) * (1 + sizing.headroom)
    wanted = {
        "CPU": math.ceil(of_region / sizing.utilisation),
        "memory": math.ceil(memory / (machine.memory_gib * GIB * sizing.utilisation)),
        "three masters in each region": MIN_CLUSTER_NODES,
    }
    decided_by = max(wanted, key=lambda name: wanted[name])
    nodes = wanted[decided_by] * (1 + sizing.redis_replicas) * request.regions
    return StoreSize(REDIS, request.regions, nodes, machine.name, machine.cores * nodes, decided_by)


def redis_bytes_per_region(workload: WorkloadTable, request: PlanRequest) -> float:
    """Return what a region's Redis Cluster keeps: hot listings in each region, people in one."""
    sizing, people = workload.sizing, workload.population
    users = request.users * growth_factor(workload)
    listings = users * people.open_listings * sizing.hot_listings * sizing.redis_listing_bytes
    return listings + users * people.daily_active * sizing.redis_user_bytes / request.regions


def size_rabbit(
    workload: WorkloadTable, prices: PriceTable, request: PlanRequest, cores: Mapping[str, float]
) -> StoreSize:
    """Return the nodes of one RabbitMQ cluster in each region, an odd number each for its quorums."""
    sizing, machine = workload.sizing, prices.machines[RABBIT]
    of_region = cores.get(RABBIT, 0.0) / request.regions * (1 + sizing.headroom)
    by_cpu = math.ceil(of_region / (machine.cores * sizing.utilisation))
    nodes = max(MIN_CLUSTER_NODES, by_cpu + (by_cpu + 1) % 2)
    decided_by = "CPU" if nodes > MIN_CLUSTER_NODES else "three nodes in each region"
    total = nodes * request.regions
    return StoreSize(RABBIT, request.regions, total, machine.name, machine.cores * total, decided_by)


def size_search(
    workload: WorkloadTable, prices: PriceTable, request: PlanRequest, search_shards: int
) -> StoreSize:
    """Return the nodes of shards that hold the search index alone."""
    machine = prices.machines[MONGOD]
    nodes = search_shards * workload.sizing.members
    return StoreSize(
        SEARCH_STORE, search_shards, nodes, machine.name, machine.cores * nodes, "--search-shards"
    )

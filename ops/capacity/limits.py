"""Which part of a plan saturates first when traffic grows, and the headroom of each."""

from collections.abc import Iterator, Mapping

from ops.capacity.capacity_plan import CapacityPlan, SaturationLimit
from ops.capacity.demand import MONGOD, MONGOD_SECONDARY, RABBIT, REDIS
from ops.capacity.stores import GIB, SEARCH_STORE, ShardLoad, redis_bytes_per_region
from ops.capacity.tables import PlanTables, PriceTable, WorkloadTable


def find_limits(
    plan: CapacityPlan, tables: PlanTables, load: ShardLoad, cores: Mapping[str, float]
) -> tuple[SaturationLimit, ...]:
    """Return the limits of a plan, in the order in which they are reached.

    Pods may grow to the autoscaler's bound; nodes of stores are those of the plan, at 100 % of their CPU.
    """
    workload, prices = tables.workload, tables.prices
    found = [
        *_pod_limits(plan, workload),
        *_shard_limits(plan, tables, load, cores),
        *_redis_limits(plan, workload, prices, cores),
        *_rabbit_limits(plan, workload, prices, cores),
    ]
    return tuple(sorted((each for each in found if each.demand > 0), key=lambda each: each.factor))


def _pod_limits(plan: CapacityPlan, workload: WorkloadTable) -> Iterator[SaturationLimit]:
    for each in plan.components:
        most = max(0.0, each.cores_per_pod - each.overhead_cores) * workload.sizing.max_pods
        if each.demand_cores:
            yield SaturationLimit(each.name, each.demand_cores, most, "cores", "raise --max-pods")


def _shard_limits(
    plan: CapacityPlan, tables: PlanTables, load: ShardLoad, cores: Mapping[str, float]
) -> Iterator[SaturationLimit]:
    sizing, machine = tables.workload.sizing, tables.prices.machines[MONGOD]
    shards = plan.store(MONGOD)
    yield SaturationLimit("primaries of shards", load.primary, machine.cores, "cores each", "add shards")
    remedy = "searches on shards of their own: every shard executes each"
    if plan.request.search_shards:
        remedy = "add shards"
        nodes = plan.store(SEARCH_STORE).nodes
        of_node = cores.get(MONGOD_SECONDARY, 0.0) / nodes
        yield SaturationLimit("search shards", of_node, machine.cores, "cores each", "add members")
    yield SaturationLimit("secondaries of shards", load.secondary, machine.cores, "cores each", remedy)
    disk = plan.storage_bytes / shards.groups / 1e9
    yield SaturationLimit(
        "disks of shards", disk, sizing.shard_disk_gb, "GB each", "add shards", is_gradual=True
    )
    hot, cache = disk * sizing.hot_share, machine.memory_gib * GIB / 1e9 * sizing.cache_share
    yield SaturationLimit("memory of shards", hot, cache, "GB each", "add shards", is_gradual=True)
    processes = sum(each.pods for each in plan.components if each.overhead_cores > 0)
    yield SaturationLimit(
        "connections to a primary",
        processes * sizing.connections_per_process,
        sizing.max_connections_per_mongod,
        "connections",
        "fewer, larger processes: each is connected to every shard",
    )


def _redis_limits(
    plan: CapacityPlan, workload: WorkloadTable, prices: PriceTable, cores: Mapping[str, float]
) -> Iterator[SaturationLimit]:
    sizing, machine, regions = workload.sizing, prices.machines[REDIS], plan.request.regions
    masters = plan.store(REDIS).nodes / regions / (1 + sizing.redis_replicas)
    of_master = cores.get(REDIS, 0.0) / regions / masters
    yield SaturationLimit("Redis, commands", of_master, 1.0, "cores each", "add nodes")
    kept = redis_bytes_per_region(workload, plan.request) / masters / GIB
    yield SaturationLimit("Redis, memory", kept, machine.memory_gib, "GiB each", "add nodes", is_gradual=True)
    serving = sum(each.pods_per_region for each in plan.components if each.overhead_cores > 0)
    yield SaturationLimit(
        "Redis, connections",
        serving * 2,
        sizing.max_connections_per_redis,
        "connections",
        "raise maxclients: each process has a connection for calls and one for tracking",
    )


def _rabbit_limits(
    plan: CapacityPlan, workload: WorkloadTable, prices: PriceTable, cores: Mapping[str, float]
) -> Iterator[SaturationLimit]:
    machine, regions = prices.machines[RABBIT], plan.request.regions
    of_node = cores.get(RABBIT, 0.0) / plan.store(RABBIT).nodes
    yield SaturationLimit("RabbitMQ, CPU", of_node, machine.cores, "cores each", "add nodes")
    yield SaturationLimit(
        "RabbitMQ, the busiest queue",
        plan.rates["events"] / regions,
        workload.sizing.max_messages_per_queue,
        "messages/s",
        "split the queue: a quorum queue has one leader",
    )

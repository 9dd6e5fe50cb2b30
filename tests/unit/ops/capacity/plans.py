"""The committed tables, and plans made from them."""

from dataclasses import replace
from functools import lru_cache

from ops.capacity import table_files
from ops.capacity.capacity_plan import CapacityPlan, PlanRequest
from ops.capacity.planner import make_plan
from ops.capacity.tables import LAYERS, PlanTables

USERS = 800_000_000


@lru_cache
def committed_tables() -> PlanTables:
    workload = table_files.load_workload()
    return PlanTables(
        workload, table_files.load_figures(workload), table_files.load_records(), table_files.load_prices()
    )


def asked(rps: float = 1e6, *, users: int = USERS, regions: int = 20) -> PlanRequest:
    layers: dict[str, float] = {layer: committed_tables().workload.layers[layer] / 100 for layer in LAYERS}
    return PlanRequest(users, rps, regions, layers)


def planned(
    rps: float = 1e6, *, users: int = USERS, regions: int = 20, search: int | None = None
) -> CapacityPlan:
    request = replace(asked(rps, users=users, regions=regions), search_shards=search)
    return make_plan(request, committed_tables())


def with_sizing(tables: PlanTables, **changed: float) -> PlanTables:
    sizing = tables.workload.sizing.model_copy(update=changed)
    return replace(tables, workload=tables.workload.model_copy(update={"sizing": sizing}))

"""The options of `ic plan`, as typed, and the question and tables that they make."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from ops.capacity import table_files
from ops.capacity.capacity_plan import PlanRequest
from ops.capacity.quantities import parse_amount, parse_count, parse_layers, parse_share
from ops.capacity.tables import LAYERS, PlanTables, WorkloadTable
from ops.errors import OpsError

MAX_USERS: Final = 100 * 10**9
MAX_RPS: Final = 1e10
MAX_REGIONS: Final = 500
MAX_PODS: Final = 10**6
MAX_SEARCH_SHARDS: Final = 16_384
MAX_MEMBERS: Final = 50
"""MongoDB's own limit of a replica set."""


@dataclass(frozen=True)
class PlanOptions:
    """Texts of the options; None leaves a value as the workload's file has it."""

    users: str
    rps: str
    regions: str
    layers: str | None = None
    utilisation: str | None = None
    headroom: str | None = None
    replication_factor: str | None = None
    min_pods: str | None = None
    max_pods: str | None = None
    growth: str | None = None
    months: str | None = None
    search_shards: str | None = None
    measured: Path | None = None
    workload: Path | None = None
    records: Path | None = None
    prices: Path | None = None


def read_question(options: PlanOptions) -> tuple[PlanRequest, PlanTables]:
    """Return the question of the options, and the tables that answer it.

    Raises:
        OpsError: an option or a file is wrong; the message names it and what it takes.
    """
    numbers = (
        parse_count("--users", options.users, at_most=MAX_USERS),
        parse_amount("--rps", options.rps, at_most=MAX_RPS),
        parse_count("--regions", options.regions, at_most=MAX_REGIONS),
    )
    search = options.search_shards
    search_shards = parse_count("--search-shards", search, at_most=MAX_SEARCH_SHARDS) if search else None
    workload = _with_options(table_files.load_workload(options.workload), options)
    tables = PlanTables(
        workload,
        table_files.load_figures(workload, options.measured),
        table_files.load_records(options.records),
        table_files.load_prices(options.prices),
    )
    layers: dict[str, float] = {layer: workload.layers[layer] / 100 for layer in LAYERS}
    return PlanRequest(*numbers, layers, search_shards), tables


def _with_options(workload: WorkloadTable, options: PlanOptions) -> WorkloadTable:
    sizing = workload.sizing
    changed: dict[str, Any] = {}
    if options.utilisation is not None:
        changed["utilisation"] = parse_share("--utilisation", options.utilisation, at_least=0.01)
    if options.headroom is not None:
        changed["headroom"] = parse_share("--headroom", options.headroom, at_most=10)
    if options.replication_factor is not None:
        members = parse_count("--replication-factor", options.replication_factor, at_most=MAX_MEMBERS)
        changed["members"] = members
        changed["members_elsewhere"] = min(sizing.members_elsewhere, members - 1)
    if options.min_pods is not None:
        changed["min_pods"] = parse_count("--min-pods", options.min_pods, at_most=MAX_PODS)
    if options.max_pods is not None:
        changed["max_pods"] = parse_count("--max-pods", options.max_pods, at_most=MAX_PODS)
    traffic: dict[str, Any] = {}
    if options.growth is not None:
        traffic["growth_per_year"] = parse_share("--growth", options.growth, at_most=100)
    if options.months is not None:
        traffic["months"] = parse_amount("--months", options.months, at_most=600)
    layers = workload.layers
    if options.layers is not None:
        shares = parse_layers("--layers", options.layers)
        layers = {layer: share * 100 for layer, share in zip(LAYERS, shares, strict=True)}
    return workload.model_copy(
        update={
            "layers": layers,
            "sizing": _replace_checked(sizing, changed),
            "traffic": _replace_checked(workload.traffic, traffic),
        }
    )


def _replace_checked(table: BaseModel, changed: dict[str, Any]) -> BaseModel:
    try:
        return type(table).model_validate({**table.model_dump(), **changed})
    except ValidationError as error:
        named = ", ".join(f"--{name.replace('_', '-')}" for name in changed)
        reasons = "; ".join(fault["msg"].removeprefix("Value error, ") for fault in error.errors())
        raise OpsError(f"{named}: {reasons}") from None

"""A plan for the screen, and as JSON."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, Final

from rich.table import Table

from ops.capacity.capacity_plan import CapacityPlan, SaturationLimit
from ops.capacity.quantities import format_amount
from ops.capacity.tables import EarlierEstimate

MAX_COLLECTIONS_SHOWN: Final = 8
RIGHT: Final = frozenset(
    (
        *("pods", "a region", "cores", "used at peak", "nodes", "records", "data TB", "indexes TB"),
        *("on demand", "demand", "limit", "may grow to"),
    )
)
"""Columns of numbers."""


def plan_tables(plan: CapacityPlan, estimate: EarlierEstimate) -> list[Table]:
    """Return the tables of a plan, in reading order."""
    return [
        _component_table(plan),
        _store_table(plan),
        _storage_table(plan),
        _cost_table(plan, estimate),
        _limit_table(plan),
    ]


def plan_lines(plan: CapacityPlan) -> list[str]:
    """Return what stands below the tables: bandwidth, the first bottleneck, and notes."""
    traffic, first = plan.traffic, plan.bottleneck
    lines = [
        f"bandwidth at peak: in {format_bits(traffic.in_bytes)}, out {format_bits(traffic.out_bytes)}, "
        f"between regions {format_bits(traffic.between_regions_bytes)}"
    ]
    if first is not None:
        where = f"at {first.factor:.1f} times the requests of the plan"
        lines.append(f"first bottleneck: {first.name}, {where}; {first.remedy}")
    small = [_describe_overload(limit) for limit in plan.limits if limit.factor < 1]
    return [*lines, *small, *plan.notes]


def plan_content(plan: CapacityPlan, estimate: EarlierEstimate) -> dict[str, Any]:
    """Return the plan for JSON; amounts are in the units of the fields' names."""
    content = asdict(plan)
    for values, each in zip(content["components"], plan.components, strict=True):
        values |= {"cores": each.cores, "utilisation": each.utilisation}
    for values, limit in zip(content["limits"], plan.limits, strict=True):
        values["factor"] = limit.factor
    terms = plan.costs[0].reserved
    return content | {
        "storage_bytes": plan.storage_bytes,
        "bottleneck": plan.bottleneck.name if plan.bottleneck else None,
        "cost_per_month": {
            "on_demand": plan.cost_on_demand,
            "reserved": {term: plan.cost_reserved(term) for term in terms},
            "earlier_estimate": {"low": estimate.low, "high": estimate.high},
        },
    }


def format_bits(bytes_per_s: float) -> str:
    """Return a rate of bytes in bits a second."""
    return f"{format_amount(bytes_per_s * 8).replace('B', 'G')}bit/s"


def _component_table(plan: CapacityPlan) -> Table:
    asked = plan.request
    title = (
        f"{format_amount(asked.users)} users, {format_amount(asked.rps)} requests/s at peak, "
        f"{asked.regions} regions"
    )
    rows = [
        (
            each.name,
            f"{each.pods:,}",
            f"{each.pods_per_region:,}",
            f"{each.cores:,.0f}",
            f"{each.utilisation:.0%}",
        )
        for each in plan.components
    ]
    total = sum(each.pods for each in plan.components)
    cores = sum(each.cores for each in plan.components)
    rows.append(("in all", f"{total:,}", f"{total // asked.regions:,}", f"{cores:,.0f}", ""))
    return _table(title, ("component", "pods", "a region", "cores", "used at peak"), rows)


def _store_table(plan: CapacityPlan) -> Table:
    rows = [
        (
            each.name,
            f"{each.groups:,} {'shards' if each.name in ('mongod', 'search') else 'clusters'}",
            f"{each.nodes:,}",
            each.machine,
            f"{each.cores:,.0f}",
            each.decided_by,
        )
        for each in plan.stores
    ]
    return _table("stores", ("store", "of", "nodes", "machine", "cores", "decided by"), rows)


def _storage_table(plan: CapacityPlan) -> Table:
    largest = plan.storage[:MAX_COLLECTIONS_SHOWN]
    rows = [
        (each.name, format_amount(each.records), _terabytes(each.data_bytes), _terabytes(each.index_bytes))
        for each in largest
    ]
    data, index = (sum(getattr(each, key) for each in plan.storage) for key in ("data_bytes", "index_bytes"))
    rows.append(("all collections", "", _terabytes(data), _terabytes(index)))
    title = "storage at the end of the plan, one copy"
    return _table(title, ("collection", "records", "data TB", "indexes TB"), rows)


def _cost_table(plan: CapacityPlan, estimate: EarlierEstimate) -> Table:
    terms = list(plan.costs[0].reserved)
    rows = [
        (line.name, f"{line.on_demand:,.0f}", *(f"{line.reserved[term]:,.0f}" for term in terms))
        for line in plan.costs
    ]
    totals = (f"{plan.cost_reserved(term):,.0f}" for term in terms)
    rows.append(("in all", f"{plan.cost_on_demand:,.0f}", *totals))
    machines = plan.machine_costs
    parts = (f"{sum(line.reserved[term] for line in machines):,.0f}" for term in terms)
    rows.append(("machines and disks alone", f"{sum(line.on_demand for line in machines):,.0f}", *parts))
    rows.append((estimate.text, f"{estimate.low:,.0f} to {estimate.high:,.0f}", *("" for _ in terms)))
    reserved = tuple(f"reserved {term}" for term in terms)
    return _table("$ a month", ("part", "on demand", *reserved), rows)


def _limit_table(plan: CapacityPlan) -> Table:
    rows = [
        (
            each.name,
            _figure(each.demand),
            f"{_figure(each.limit)} {each.unit}",
            _factor(each),
            each.remedy,
        )
        for each in plan.limits
    ]
    columns = ("part, the first to saturate first", "demand", "limit", "may grow to", "then")
    return _table("headroom", columns, rows)


def _describe_overload(limit: SaturationLimit) -> str:
    used = f"{_figure(limit.demand)} of {_figure(limit.limit)} {limit.unit}"
    return f"too small: {limit.name}, {used}; {limit.remedy}"


def _factor(limit: SaturationLimit) -> str:
    text = f"{limit.factor:.0%}" if limit.factor < 10 else f"{limit.factor:,.0f} times"
    return f"{text}, over months" if limit.is_gradual else text


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        is_number = column in RIGHT or column.startswith("reserved")
        table.add_column(column, justify="right" if is_number else "left", no_wrap=not is_number)
    for row in rows:
        table.add_row(*row)
    return table


def _terabytes(amount: float) -> str:
    return f"{amount / 1e12:,.2f}"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"

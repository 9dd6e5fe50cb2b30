"""`ic plan`: compute the cluster, its cost and its first bottleneck for users and requests a second."""

import importlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from ops.capacity import helm_values, plan_report, table_files
from ops.capacity.capacity_plan import CapacityPlan, PlanError, PlanRequest
from ops.capacity.measured import FiguresError
from ops.capacity.plan_options import PlanOptions, read_question
from ops.capacity.planner import make_plan, plan_paths
from ops.capacity.quantities import parse_amount
from ops.capacity.simulation import scenarios, simulation_report
from ops.capacity.simulation.autoscaler import ScalingPolicy
from ops.capacity.simulation.scenarios import SimulationRequest, SimulationRun
from ops.capacity.tables import PlanTables
from ops.console import console
from ops.errors import OpsError
from ops.options import DEFAULT_STACK, AsJson, StackName, open_chosen_cluster

DEFAULT_USERS, DEFAULT_RPS, DEFAULT_REGIONS = "800M", "1M", "20"
MAX_RAMP_S = 86_400

Users = Annotated[str, typer.Option("--users", help="Accounts, such as 800M.", metavar="N")]
Rps = Annotated[str, typer.Option("--rps", help="Requests a second at peak, such as 1M.", metavar="N")]
Regions = Annotated[
    str, typer.Option("--regions", help="Regions with equal shares of the load.", metavar="N")
]
Layers = Annotated[
    str | None,
    typer.Option("--layers", help="Percent answered by edge, Redis, database: 70/25/5.", metavar="E/R/D"),
]
Utilisation = Annotated[
    str | None, typer.Option("--utilisation", help="CPU that is aimed at: 70%.", metavar="PERCENT")
]
Headroom = Annotated[
    str | None, typer.Option("--headroom", help="Added to the demand at peak: 20%.", metavar="PERCENT")
]
ReplicationFactor = Annotated[
    str | None, typer.Option("--replication-factor", help="Members of each shard: 3.", metavar="N")
]
MinPods = Annotated[
    str | None, typer.Option("--min-pods", help="Of a component, over all regions: 100.", metavar="N")
]
MaxPods = Annotated[
    str | None, typer.Option("--max-pods", help="Of a component, over all regions: 10000.", metavar="N")
]
Growth = Annotated[
    str | None, typer.Option("--growth", help="Of users and data in a year: 30%.", metavar="PERCENT")
]
Months = Annotated[str | None, typer.Option("--months", help="Until when the plan holds: 12.", metavar="N")]
SearchShards = Annotated[
    str | None,
    typer.Option("--search-shards", help="As if searches had shards of their own: so many.", metavar="N"),
]
Measured = Annotated[
    Path | None, typer.Option("--measured", help="Figures of `ic bench --json FILE`.", metavar="FILE")
]
Workload = Annotated[
    Path | None, typer.Option("--workload", help="Another table of assumptions.", metavar="FILE")
]
Records = Annotated[
    Path | None, typer.Option("--records", help="Another table of record sizes.", metavar="FILE")
]
Prices = Annotated[Path | None, typer.Option("--prices", help="Another table of prices.", metavar="FILE")]


def register(app: typer.Typer) -> None:
    """Add `ic plan`."""
    group = typer.Typer(invoke_without_command=True)
    group.callback()(plan)
    group.command("simulate")(simulate)
    group.command("measure-records")(measure_records)
    app.add_typer(group, name="plan")


def plan(
    context: typer.Context,
    *,
    users: Users = DEFAULT_USERS,
    rps: Rps = DEFAULT_RPS,
    regions: Regions = DEFAULT_REGIONS,
    layers: Layers = None,
    utilisation: Utilisation = None,
    headroom: Headroom = None,
    replication_factor: ReplicationFactor = None,
    min_pods: MinPods = None,
    max_pods: MaxPods = None,
    growth: Growth = None,
    months: Months = None,
    search_shards: SearchShards = None,
    measured: Measured = None,
    workload: Workload = None,
    records: Records = None,
    prices: Prices = None,
    as_json: AsJson = False,
    as_helm: Annotated[bool, typer.Option("--helm", help="Print values for one region's release.")] = False,
) -> None:
    """Compute pods, stores, storage, bandwidth, cost and the first bottleneck; see docs/capacity.md."""
    if context.invoked_subcommand is not None:
        _require_no_options(context)
        return
    if as_json and as_helm:
        raise OpsError("--json and --helm are two outputs: give one of the two")
    options = PlanOptions(
        users=users,
        rps=rps,
        regions=regions,
        layers=layers,
        utilisation=utilisation,
        headroom=headroom,
        replication_factor=replication_factor,
        min_pods=min_pods,
        max_pods=max_pods,
        growth=growth,
        months=months,
        search_shards=search_shards,
        measured=measured,
        workload=workload,
        records=records,
        prices=prices,
    )
    _request, tables, made = _make_plan(options)
    if as_helm:
        print(helm_values.render_helm_values(made, tables.workload.sizing), end="")
    elif as_json:
        print(json.dumps(plan_report.plan_content(made, tables.prices.earlier_estimate), indent=2))
    else:
        _print_plan(made, tables)


def simulate(
    *,
    scenario: Annotated[
        list[str] | None,
        typer.Option(help="`ramp` or `region-loss`; both by default. May be repeated.", metavar="NAME"),
    ] = None,
    start_rps: Annotated[str, typer.Option(help="Where the ramp begins.", metavar="N")] = "100",
    ramp_seconds: Annotated[str, typer.Option(help="How long the ramp takes.", metavar="N")] = "300",
    admission: Annotated[
        bool, typer.Option("--admission/--no-admission", help="Refuse what cannot be carried, or queue all.")
    ] = True,
    users: Users = DEFAULT_USERS,
    rps: Rps = DEFAULT_RPS,
    regions: Regions = DEFAULT_REGIONS,
    layers: Layers = None,
    utilisation: Utilisation = None,
    min_pods: MinPods = None,
    max_pods: MaxPods = None,
    search_shards: SearchShards = None,
    measured: Measured = None,
    workload: Workload = None,
    svg: Annotated[Path | None, typer.Option(help="Also draw a plot here.", metavar="FILE")] = None,
    as_json: AsJson = False,
) -> None:
    """Simulate a ramp to the full rate, and the loss of a region at peak, with Kubernetes' autoscaler."""
    options = PlanOptions(
        users=users,
        rps=rps,
        regions=regions,
        layers=layers,
        utilisation=utilisation,
        min_pods=min_pods,
        max_pods=max_pods,
        search_shards=search_shards,
        measured=measured,
        workload=workload,
    )
    request, tables, made = _make_plan(options)
    names = _check_scenarios(scenario, request)
    sizing = tables.workload.sizing
    question = SimulationRequest(
        start_rps=parse_amount("--start-rps", start_rps, at_most=request.rps),
        ramp_s=parse_amount("--ramp-seconds", ramp_seconds, at_most=MAX_RAMP_S),
        policy=ScalingPolicy(sizing.min_pods, sizing.max_pods, sizing.utilisation),
        has_admission=admission,
    )
    paths = plan_paths(request, tables, made)
    runs = [scenarios.run_scenario(name, question, made, paths, tables) for name in names]
    if svg is not None:
        _write_file("--svg", svg, simulation_report.render_svg(runs))
    if as_json:
        print(json.dumps({"runs": [simulation_report.run_content(run) for run in runs]}, indent=2))
        return
    for run in runs:
        _print_run(run)


def measure_records(
    stack: StackName = DEFAULT_STACK,
    *,
    output: Annotated[Path | None, typer.Option(help="Write the table here.", metavar="FILE")] = None,
) -> None:
    """Measure bytes per record and index by collection on a running cluster, as a table for --records."""
    cluster = open_chosen_cluster(stack)
    # Only here: the driver takes a while to load.
    record_sizes = importlib.import_module("ops.capacity.record_sizes")
    sizes = record_sizes.measure_record_sizes(cluster)
    if not sizes:
        raise OpsError(f"{cluster} holds no records; seed a local stack: ic seed")
    text = record_sizes.render_record_sizes(
        sizes, f"collStats of {cluster}", datetime.now(UTC).date(), table_files.load_records()
    )
    if output is None:
        print(text, end="")
    else:
        _write_file("--output", output, text)


def _make_plan(options: PlanOptions) -> tuple[PlanRequest, PlanTables, CapacityPlan]:
    request, tables = read_question(options)
    try:
        return request, tables, make_plan(request, tables)
    except PlanError as error:
        raise OpsError(f"no cluster of this design carries that: {error}") from None
    except FiguresError as error:
        raise OpsError(f"a measured figure is missing: {error}; see --measured and --workload") from None


def _require_no_options(context: typer.Context) -> None:
    """Raise OpsError for options before the subcommand, which takes its own."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is not None and source.name == "COMMANDLINE":
            raise OpsError(f"give {parameter.opts[0]} after `{context.invoked_subcommand}`, not before it")


def _check_scenarios(wanted: list[str] | None, request: PlanRequest) -> list[str]:
    names = wanted or list(scenarios.SCENARIOS)
    for name in names:
        if name not in scenarios.SCENARIOS:
            raise OpsError(f"--scenario takes {' or '.join(scenarios.SCENARIOS)}, not '{name}'")
    if scenarios.REGION_LOSS in names and request.regions == 1:
        raise OpsError("--regions takes 2 or more to lose one of them; or give --scenario ramp")
    return names


def _print_plan(made: CapacityPlan, tables: PlanTables) -> None:
    for table in plan_report.plan_tables(made, tables.prices.earlier_estimate):
        console.print(table)
        console.print()
    _print_lines(plan_report.plan_lines(made))


def _print_run(run: SimulationRun) -> None:
    title = f"{run.scenario}: one of {run.regions} regions, {run.seconds[-1].time_s:.0f} s"
    console.print(f"[bold]{escape(title)}[/]")
    _print_lines([*simulation_report.spark_lines(run), *simulation_report.summary_lines(run), ""])


def _print_lines(lines: list[str]) -> None:
    for line in lines:
        console.print(escape(line), soft_wrap=True)


def _write_file(option: str, path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    except OSError as error:
        raise OpsError(f"{option}: {path} cannot be written: {error}") from None
    console.print(f"written: {path}", soft_wrap=True, markup=False)

"""`ic bench`: measure a running stack beside the bare libraries that it is made of."""

from pathlib import Path
from typing import Annotated

import typer

from devstack import binaries, topology
from devstack.topology import Topology
from ops.options import DEFAULT_STACK, StackName
from ops.progress import StepProgress
from verify.bench import rows
from verify.bench.closed_loop import MeasurementTimes
from verify.bench.echo_server import running_echo_server
from verify.bench.report import BenchmarkReport, Machine, save_json_report, save_markdown_report
from verify.bench.samples import BenchmarkResult
from verify.bench.target import BenchmarkTarget, require_seeded_stack

MAX_WARM_UP_S = 2.0
ROWS_ONLY_BY_NAME = [row.name for row in rows.BENCHMARK_ROWS if row.only_by_name]


def register(app: typer.Typer) -> None:
    """Add `ic bench`."""
    app.command("bench")(bench)


def bench(
    stack: StackName = DEFAULT_STACK,
    *,
    seconds: Annotated[float, typer.Option(min=1, max=300, help="How long each row is measured.")] = 6,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Measure this row and its baseline; may be repeated. "
            f"These take long and are measured only so: {', '.join(ROWS_ONLY_BY_NAME)}.",
            metavar="ROW",
        ),
    ] = None,
    markdown: Annotated[Path | None, typer.Option(help="Also write the table here.", metavar="FILE")] = None,
    as_json: Annotated[
        Path | None, typer.Option("--json", help="Also write the figures here, as JSON.", metavar="FILE")
    ] = None,
) -> None:
    """Measure a running, seeded stack beside the bare libraries that it is made of."""
    wanted = rows.select_rows(only or [])
    found = topology.find_stack(stack)
    require_seeded_stack(found)
    report = _measure_rows(found, wanted, seconds)
    report.print_table()
    if markdown is not None:
        save_markdown_report(report, markdown)
    if as_json is not None:
        save_json_report(report, as_json)


def _measure_rows(found: Topology, wanted: list[rows.AnyRow], seconds: float) -> BenchmarkReport:
    steps, machine = StepProgress(), Machine.current()
    pace = MeasurementTimes(seconds, warm_up_s=min(MAX_WARM_UP_S, seconds / 2))
    if any(row.uses_h2load for row in wanted):
        binaries.install_h2load(steps.note)
    results: list[BenchmarkResult] = []
    with running_echo_server() as echo:
        field = BenchmarkTarget.connect(found, echo)
        holds = field.count_documents()
        for row in wanted:
            with steps.step(row.title):
                results += row.results(field, pace)
    return BenchmarkReport(machine, holds, seconds, results)

"""`ic bench`: measure a running stack beside the bare libraries that it is made of."""

from pathlib import Path
from typing import Annotated

import typer

from ops.bench import rows
from ops.bench.echo import running_echo
from ops.bench.field import Field, require_seeded
from ops.bench.loop import Pace
from ops.bench.report import Machine, Report, save
from ops.options import StackName
from ops.stack import binaries, topology
from ops.stack.steps import Steps
from ops.stack.topology import DEFAULT_STACK, Topology

LONGEST_WARM_UP_S = 2.0


def register(app: typer.Typer) -> None:
    """Adds `ic bench`."""
    app.command("bench")(bench)


def bench(
    stack: StackName = DEFAULT_STACK,
    *,
    seconds: Annotated[float, typer.Option(min=1, max=300, help="How long each row is measured.")] = 6,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Measure this row and its baseline; may be repeated.", metavar="ROW"),
    ] = None,
    markdown: Annotated[Path | None, typer.Option(help="Also write the table here.", metavar="FILE")] = None,
) -> None:
    """Measure a running, seeded stack beside the bare libraries that it is made of."""
    wanted = rows.chosen(only or [])
    found = topology.find(stack)
    require_seeded(found)
    report = _measure(found, wanted, seconds)
    report.show()
    if markdown is not None:
        save(report, markdown)


def _measure(found: Topology, wanted: list[rows.Row], seconds: float) -> Report:
    steps, machine = Steps(), Machine.here()
    pace = Pace(seconds, warm_up_s=min(LONGEST_WARM_UP_S, seconds / 2))
    if any(row.by_h2load for row in wanted):
        binaries.install_h2load(steps.note)
    results = []
    with running_echo() as echo:
        field = Field.of(found, echo)
        holds = field.counts()
        for row in wanted:
            with steps.step(row.title):
                results.append(row.result(field, pace))
    return Report(machine, holds, seconds, results)

"""`ic thorough`: run every suite that takes minutes, one after the other."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table

from ops import thorough as runner
from ops.console import console
from ops.thorough import Result, Suite

STYLES = {"passed": "green", "failed": "bold red", "not run": "yellow"}


def register(app: typer.Typer) -> None:
    """Adds `ic thorough`."""
    app.command("thorough")(thorough)


def thorough(
    suites: Annotated[
        list[str] | None, typer.Argument(metavar="[SUITE]...", help="Which; without any, all in turn.")
    ] = None,
    fuzz_minutes: Annotated[
        float, typer.Option(min=0.1, max=24 * 60, help="How long the suite `fuzz` goes on.")
    ] = 30,
    stack: Annotated[
        str, typer.Option("--stack", help="Name of the stack that each suite makes for itself.")
    ] = "thorough",
    only_list: Annotated[bool, typer.Option("--list", help="Show the suites and run none.")] = False,
) -> None:
    """Run every thorough suite in turn, go on after a failure, and end with what became of each.

    The exit code is 1 if one failed. `ic thorough faults chaos` runs these two.
    """
    wanted = runner.chosen(suites or (), runner.suites(fuzz_minutes, stack))
    if only_list:
        for suite in wanted:
            console.print(f"{suite.name:<12} [dim]{suite.what}[/]")
        return
    raise typer.Exit(report(runner.run_all(wanted, _announce)))


def _announce(suite: Suite) -> None:
    console.rule(f"[bold]{suite.name}[/]: {suite.what}", align="left")


def report(results: Sequence[Result]) -> int:
    """Shows what became of each suite; returns the exit code."""
    table = Table("suite", "outcome", "time", box=None, pad_edge=False, show_footer=True)
    table.columns[2].justify = "right"
    for result in results:
        outcome = f"[{STYLES[result.outcome]}]{result.outcome}[/]"
        table.add_row(result.suite.name, outcome, duration(result.took_s))
    good = sum(result.outcome == "passed" for result in results)
    table.columns[1].footer = f"{good} of {len(results)} passed"
    table.columns[2].footer = duration(sum(result.took_s for result in results))
    console.print(table)
    return 0 if good == len(results) else 1


def duration(seconds: float) -> str:
    """Minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"

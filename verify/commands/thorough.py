"""`ic thorough`: run every suite that takes minutes, one after the other."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table

from ops.console import console
from verify import thorough as runner
from verify.thorough import SuiteResult, ThoroughSuite

OUTCOME_STYLES = {"passed": "green", "failed": "bold red", "not run": "yellow"}


def register(app: typer.Typer) -> None:
    """Add `ic thorough`."""
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
    wanted = runner.select_suites(suites or (), runner.list_suites(fuzz_minutes, stack))
    if only_list:
        for suite in wanted:
            console.print(f"{suite.name:<12} [dim]{suite.what}[/]")
        return
    raise typer.Exit(print_suite_results(runner.run_suites(wanted, _announce)))


def _announce(suite: ThoroughSuite) -> None:
    console.rule(f"[bold]{suite.name}[/]: {suite.what}", align="left")


def print_suite_results(results: Sequence[SuiteResult]) -> int:
    """Print the result of each suite; return the exit code."""
    table = Table("suite", "outcome", "time", box=None, pad_edge=False, show_footer=True)
    table.columns[2].justify = "right"
    for result in results:
        outcome = f"[{OUTCOME_STYLES[result.outcome]}]{result.outcome}[/]"
        table.add_row(result.suite.name, outcome, format_minutes(result.took_s))
    good = sum(result.outcome == "passed" for result in results)
    table.columns[1].footer = f"{good} of {len(results)} passed"
    table.columns[2].footer = format_minutes(sum(result.took_s for result in results))
    console.print(table)
    return 0 if good == len(results) else 1


def format_minutes(seconds: float) -> str:
    """Return minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"

"""`ic chart`: render the Helm chart with every set of values, and check what it makes."""

import time
from typing import Annotated

import typer

from devstack import stubs
from ops.console import console
from ops.errors import OpsError


def register(app: typer.Typer) -> None:
    """Add `ic chart`."""
    app.command("chart")(chart)


def chart(
    short: Annotated[
        bool, typer.Option("--short", help="One Helm, two versions of Kubernetes: what `ic test` runs.")
    ] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Write the generated files and renders again first.")
    ] = False,
) -> None:
    """Render, lint and validate the chart, and hold it to our own rules."""
    stubs.build_generated_stubs()
    # These import the stubs.
    from verify.chart.checks import list_checks, write_generated_files  # noqa: PLC0415

    if write:
        write_generated_files()
    checks = list_checks(is_short=short)
    failed = []
    for check in checks:
        start = time.monotonic()
        problems = list(check.find_problems())
        if problems:
            failed.append(check.name)
            console.print(f"[red]FAIL[/] {check.name}")
            console.print("\n".join(f"  {problem}" for problem in problems), markup=False, soft_wrap=True)
        else:
            console.print(f"[green]pass[/] {check.name} [dim]{time.monotonic() - start:.1f} s[/]")
    if failed:
        raise OpsError(f"{len(failed)} of {len(checks)} checks of the chart failed: {', '.join(failed)}")

"""`ic chaos`: let people work while things break, and see whether anything is lost."""

import secrets
import signal
import sys
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from devstack import topology
from devstack.supervisor import require_running
from ops.console import console
from ops.errors import OpsError
from ops.options import DEFAULT_STACK, StackName

if TYPE_CHECKING:
    from verify.chaos.operation_log import OperationLog
    from verify.chaos.runner import ChaosResult

MAX_VIOLATIONS_SHOWN = 10


def register(app: typer.Typer) -> None:
    """Add `ic chaos`."""
    app.command("chaos")(chaos)


def chaos(
    stack: StackName = DEFAULT_STACK,
    minutes: Annotated[float, typer.Option(help="How long people work.", min=0.5, max=600)] = 10.0,
    seed: Annotated[
        int | None, typer.Option(help="Repeat the faults of an earlier run.", show_default="drawn")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND[:TARGET]",
            help="Nothing but this fault, such as kill or kill:rabbit; may be given again.",
            show_default="all",
        ),
    ] = None,
    rolling: Annotated[
        bool,
        typer.Option(
            "--rolling", help="Instead of faults, everything is restarted in turn; no call may fail."
        ),
    ] = False,
) -> None:
    """Let people work while processes are killed, paused and restarted, and stores disturbed.

    At the end everything that was acknowledged has to be there once, and all that is derived has to agree.
    Rate limits are lifted during the run, since a handful of users does the work of many.
    On a stack that was made with --faults stores are also slowed down, held and cut off.
    """
    found = topology.find_stack(stack)
    require_running(found)
    # The limits are restored as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    from verify.chaos.runner import run_chaos, run_rolling_restart  # noqa: PLC0415 - the services' libraries load for a second

    if rolling:
        _print_result(run_rolling_restart(found, _print_line), "a rolling restart")
        return
    drawn = seed if seed is not None else secrets.randbelow(1_000_000)
    again = " ".join([f"--seed {drawn} --minutes {minutes:g}", *(f"--only {wish}" for wish in only or ())])
    console.print(f"[bold]seed {drawn}[/]; the same faults again: ic chaos {again}")
    _print_result(run_chaos(found, drawn, minutes * 60, _print_line, only=only or ()), f"seed {drawn}")


def _print_result(verdict: "ChaosResult", of: str) -> None:
    from verify.chaos.explanation import explain_violation  # noqa: PLC0415 - as above

    _print_operations(verdict.operation_log)
    if verdict.is_passed:
        console.print("[bold green]nothing was lost, doubled, oversold or miscounted[/]")
        return
    for name in verdict.unready_processes:
        console.print(f"[red]{name} is not well[/]; see: ic logs {name}")
    for violation in verdict.violations[:MAX_VIOLATIONS_SHOWN]:
        console.print(f"[red]{escape(violation.description)}[/]: {violation.subject}")
        for line in explain_violation(violation.subject, verdict.operation_log, verdict.faults):
            _print_line(f"    {line}")
    raise OpsError(f"{len(verdict.violations)} violations with {of}")


def _print_line(line: str) -> None:
    console.print(escape(line), soft_wrap=True)


def _print_operations(operation_log: "OperationLog") -> None:
    calls = ", ".join(f"{count:,} x {status}" for status, count in sorted(operation_log.call_counts.items()))
    console.print(f"calls: {calls}")
    done = Counter(operation.what for operation in operation_log.operations if operation.acknowledged)
    unknown = sum(not operation.answer for operation in operation_log.operations if operation.who)
    operations = ", ".join(f"{count:,} {what}" for what, count in done.most_common())
    console.print(f"acknowledged: {operations}; not answered within a minute: {unknown}")

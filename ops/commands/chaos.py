"""`ic chaos`: let people work while things break, and see whether anything is lost."""

import secrets
import signal
import sys
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from ops.console import console
from ops.errors import OpsError
from ops.options import StackName
from ops.stack import lifecycle, topology
from ops.stack.topology import DEFAULT_STACK

if TYPE_CHECKING:
    from ops.chaos.ledger import Ledger
    from ops.chaos.run import Verdict

MOST_TOLD = 10


def register(app: typer.Typer) -> None:
    """Adds `ic chaos`."""
    app.command("chaos")(chaos)


def chaos(
    stack: StackName = DEFAULT_STACK,
    minutes: Annotated[float, typer.Option(help="How long people work.", min=0.5, max=600)] = 10.0,
    seed: Annotated[
        int | None, typer.Option(help="Repeats the strikes of an earlier run.", show_default="drawn")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND[:TARGET]",
            help="Nothing but this strike, such as kill or kill:rabbit; may be given again.",
            show_default="all",
        ),
    ] = None,
    rolling: Annotated[
        bool,
        typer.Option(
            "--rolling", help="Instead of strikes, everything is restarted in turn; no call may fail."
        ),
    ] = False,
) -> None:
    """Let people work while processes are killed, paused and restarted, and stores disturbed.

    At the end everything that was acknowledged has to be there once, and all that is derived has to agree.
    Rate limits are lifted meanwhile, as few people do the work of a crowd.
    On a stack that was made with --faults stores are also slowed down, held and cut off.
    """
    found = topology.find(stack)
    lifecycle.must_run(found)
    # What is lifted is put back, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    from ops.chaos.run import run, run_rolling  # noqa: PLC0415 - the services' libraries load for a second

    if rolling:
        _judge(run_rolling(found, _say), "a rolling restart")
        return
    drawn = seed if seed is not None else secrets.randbelow(1_000_000)
    again = " ".join([f"--seed {drawn} --minutes {minutes:g}", *(f"--only {wish}" for wish in only or ())])
    console.print(f"[bold]seed {drawn}[/]; the same strikes again: ic chaos {again}")
    _judge(run(found, drawn, minutes * 60, _say, only=only or ()), f"seed {drawn}")


def _judge(verdict: "Verdict", of: str) -> None:
    from ops.chaos.traces import trace  # noqa: PLC0415 - as above

    _print_work(verdict.ledger)
    if verdict.is_good:
        console.print("[bold green]nothing was lost, doubled, oversold or miscounted[/]")
        return
    for name in verdict.not_well:
        console.print(f"[red]{name} is not well[/]; see: ic logs {name}")
    for finding in verdict.findings[:MOST_TOLD]:
        console.print(f"[red]{escape(finding.what)}[/]: {finding.subject}")
        for line in trace(finding.subject, verdict.ledger, verdict.strikes):
            _say(f"    {line}")
    raise OpsError(f"{len(verdict.findings)} findings with {of}")


def _say(line: str) -> None:
    console.print(escape(line), soft_wrap=True)


def _print_work(ledger: "Ledger") -> None:
    calls = ", ".join(f"{count:,} x {status}" for status, count in sorted(ledger.calls.items()))
    console.print(f"calls: {calls}")
    done = Counter(deed.what for deed in ledger.deeds if deed.acknowledged)
    unknown = sum(not deed.answer for deed in ledger.deeds if deed.who)
    deeds = ", ".join(f"{count:,} {what}" for what, count in done.most_common())
    console.print(f"acknowledged: {deeds}; not answered within a minute: {unknown}")

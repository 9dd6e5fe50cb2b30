"""`ic fuzz`: send hostile requests to a stack of its own."""

import os
import secrets
from typing import Annotated

import typer

from devstack import stubs
from ops.console import console
from verify.commands.test import ResultTally, run_pytest, temporary_stack

FUZZ_TESTS = "tests/hostile"
MINUTES_VARIABLE = "IC_FUZZ_MINUTES"
SEED_VARIABLE = "IC_FUZZ_SEED"
SEED_BITS = 31


def register(app: typer.Typer) -> None:
    """Add `ic fuzz`."""
    passes_on = {"allow_extra_args": True, "ignore_unknown_options": True}
    app.command("fuzz", context_settings=passes_on)(fuzz)


def fuzz(
    context: typer.Context,
    minutes: Annotated[
        float, typer.Option(min=0.1, max=24 * 60, help="How long made-up requests are sent.")
    ] = 10,
    seed: Annotated[
        int | None, typer.Option(min=0, help="The same seed makes the same requests; by default a new one.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the stack running, to repeat what failed on it.")
    ] = False,
    stack: Annotated[
        str, typer.Option("--stack", help="Name of the stack that is made for the run.")
    ] = "fuzz",
) -> None:
    """Send made-up requests to HTTP and gRPC of a new stack, and be hostile to it in every other way we know.

    The first failure is shown with the call that repeats it. What else is given goes to pytest.
    """
    chosen = secrets.randbits(SEED_BITS) if seed is None else seed
    console.print(f"the seed is {chosen}: ic fuzz --minutes {minutes:g} --seed {chosen}")
    os.environ |= {MINUTES_VARIABLE: str(minutes), SEED_VARIABLE: str(chosen)}
    stubs.build_generated_stubs()
    tally = ResultTally()
    with temporary_stack(stack, keep=keep, tally=tally) as found:
        run_pytest("fuzz", [FUZZ_TESTS], context.args, tally, stack=found)
    console.print(f"{tally}; the seed was {chosen}", style="bold red" if tally.failed else "bold green")
    raise typer.Exit(1 if tally.failed else 0)

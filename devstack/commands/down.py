"""`ic down`: stop a stack."""

from typing import Annotated

import typer

from devstack import lifecycle, topology
from ops.console import console
from ops.options import DEFAULT_STACK, StackName


def register(app: typer.Typer) -> None:
    """Add `ic down`."""
    app.command("down")(down)


def down(
    stack: StackName = DEFAULT_STACK,
    wipe: Annotated[bool, typer.Option("--wipe", help="Remove its data, secrets and ports, too.")] = False,
) -> None:
    """Stop a stack; no process of it stays behind."""
    found = topology.find_stack(stack)
    with console.status(f"stopping the stack '{stack}'"):
        stopped = lifecycle.stop_stack(found, wipe=wipe)
    what = f"{stopped} processes stopped" if stopped else "it was not running"
    console.print(f"stack '{stack}' is down: {what}{'; its data is removed' if wipe else ''}")

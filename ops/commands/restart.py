"""`ic restart`: restart processes, for instance after an edit."""

from typing import Annotated

import typer

from ops.errors import OpsError
from ops.options import StackName
from ops.stack import lifecycle, topology
from ops.stack.lifecycle import Stack
from ops.stack.process import Stage
from ops.stack.rolling import roll
from ops.stack.steps import Steps
from ops.stack.topology import DEFAULT_STACK


def register(app: typer.Typer) -> None:
    """Adds `ic restart`."""
    app.command("restart")(restart)


def restart(
    processes: Annotated[
        list[str] | None, typer.Argument(help="Names as in `ic status`; without any, all services.")
    ] = None,
    rolling: Annotated[
        bool,
        typer.Option("--rolling", help="Everything in turn, stores too; each is ready before the next."),
    ] = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Restart processes, for instance after an edit."""
    running = Stack.of(topology.find(stack))
    lifecycle.must_run(running.topology)
    if rolling:
        if processes:
            raise OpsError("--rolling goes alone: it restarts every process")
        roll(running, Steps().note)
        return
    chosen = [running.process(name) for name in processes or ()] or running.in_stage(Stage.SERVICES)
    lifecycle.restart(running, chosen, Steps())

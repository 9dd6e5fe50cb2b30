"""`ic restart`: restart processes, for instance after an edit."""

from typing import Annotated

import typer

from devstack import process_control, topology
from devstack.process import StartStage
from devstack.rolling_restart import restart_in_turn
from devstack.stack import Stack
from devstack.supervisor import require_running
from ops.errors import OpsError
from ops.options import DEFAULT_STACK, StackName
from ops.progress import StepProgress


def register(app: typer.Typer) -> None:
    """Add `ic restart`."""
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
    running = Stack.assemble(topology.find_stack(stack))
    require_running(running.topology)
    if rolling:
        if processes:
            raise OpsError("--rolling goes alone: it restarts every process")
        restart_in_turn(running, StepProgress().note)
        return
    chosen = [running.find_process(name) for name in processes or ()] or running.in_stage(StartStage.SERVICES)
    process_control.restart_processes(running, chosen, StepProgress())

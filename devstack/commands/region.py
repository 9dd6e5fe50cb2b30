"""`ic region`: stop or start the services of one region."""

from typing import Annotated

import typer

from devstack import process_control, topology
from devstack.process import StackProcess
from devstack.stack import Stack
from devstack.supervisor import require_running
from ops.options import DEFAULT_STACK, StackName
from ops.progress import StepProgress

RegionName = Annotated[str, typer.Argument(metavar="REGION", help="As in `ic mesh`, such as region-1.")]


def register(app: typer.Typer) -> None:
    """Add `ic region`."""
    region = typer.Typer(
        help="Stop or start the services of one region; its gateway goes on.", no_args_is_help=True
    )
    region.command("stop")(stop)
    region.command("start")(start)
    app.add_typer(region, name="region")


def stop(
    region: RegionName,
    stack: StackName = DEFAULT_STACK,
    kill: Annotated[bool, typer.Option("--kill", help="Without a word, as if its power failed.")] = False,
) -> None:
    """Stop a region's services, which then stay down."""
    running, processes = _region_services(region, stack)
    (process_control.kill_processes if kill else process_control.stop_processes)(
        running, processes, StepProgress()
    )


def start(region: RegionName, stack: StackName = DEFAULT_STACK) -> None:
    """Start a region's services and wait until they are ready."""
    running, processes = _region_services(region, stack)
    process_control.start_processes_in_turn(running, processes, StepProgress())


def _region_services(region: str, stack: str) -> tuple[Stack, list[StackProcess]]:
    running = Stack.assemble(topology.find_stack(stack))
    require_running(running.topology)
    return running, running.services_of(running.topology.find_region(region))

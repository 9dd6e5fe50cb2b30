"""`ic region`: stop or start the services of one region."""

from typing import Annotated

import typer

from ops.options import StackName
from ops.stack import lifecycle, topology
from ops.stack.lifecycle import Stack
from ops.stack.process import Process
from ops.stack.steps import Steps
from ops.stack.topology import DEFAULT_STACK

RegionName = Annotated[str, typer.Argument(metavar="REGION", help="As in `ic mesh`, such as region-1.")]


def register(app: typer.Typer) -> None:
    """Adds `ic region`."""
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
    running, processes = _services(region, stack)
    (lifecycle.kill if kill else lifecycle.stop)(running, processes, Steps())


def start(region: RegionName, stack: StackName = DEFAULT_STACK) -> None:
    """Start a region's services and wait until they are ready."""
    running, processes = _services(region, stack)
    lifecycle.start_in_turn(running, processes, Steps())


def _services(region: str, stack: str) -> tuple[Stack, list[Process]]:
    running = Stack.of(topology.find(stack))
    lifecycle.must_run(running.topology)
    return running, running.services_of(running.topology.region(region))

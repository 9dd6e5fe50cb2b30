"""`ic provision`: make users, collections, indexes and queues that are missing."""

import typer

from ops.console import console
from ops.options import StackName
from ops.stack import lifecycle, topology
from ops.stack.lifecycle import Stack
from ops.stack.provision import declare_queues, make_collections, prepare_stores
from ops.stack.topology import DEFAULT_STACK


def register(app: typer.Typer) -> None:
    """Adds `ic provision`."""
    app.command("provision")(provision_stores)


def provision_stores(stack: StackName = DEFAULT_STACK) -> None:
    """Make users, collections, indexes and queues that a running stack lacks."""
    running = Stack.of(topology.find(stack))
    lifecycle.must_run(running.topology)
    prepare_stores(running.topology, running.credentials)
    make_collections(running.topology, running.credentials)
    declare_queues(running.topology, running.credentials)
    console.print(f"the stack '{stack}' has its users, collections, indexes and queues")

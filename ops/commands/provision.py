"""`ic provision`: make users, collections, indexes and queues that are missing."""

import typer

from devstack import lifecycle, topology
from devstack.lifecycle import Stack
from devstack.topology import DEFAULT_STACK
from ops.console import console
from ops.options import StackName
from ops.provision import declare_queues, prepare_stores, provision_collections


def register(app: typer.Typer) -> None:
    """Adds `ic provision`."""
    app.command("provision")(provision_stores)


def provision_stores(stack: StackName = DEFAULT_STACK) -> None:
    """Make users, collections, indexes and queues that a running stack lacks."""
    running = Stack.of(topology.find_stack(stack))
    lifecycle.require_running(running.topology)
    prepare_stores(running.topology, running.credentials)
    provision_collections(running.topology, running.credentials)
    declare_queues(running.topology, running.credentials)
    console.print(f"the stack '{stack}' has its users, collections, indexes and queues")

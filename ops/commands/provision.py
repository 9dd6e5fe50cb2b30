"""`ic provision`: make users, collections, indexes and queues that are missing."""

import typer

from ops.console import console
from ops.options import DEFAULT_STACK, StackName, open_chosen_cluster
from ops.provision import declare_queues, prepare_stores, provision_collections


def register(app: typer.Typer) -> None:
    """Add `ic provision`."""
    app.command("provision")(provision_stores)


def provision_stores(stack: StackName = DEFAULT_STACK) -> None:
    """Make users, collections, indexes and queues that a running cluster lacks."""
    cluster = open_chosen_cluster(stack)
    prepare_stores(cluster)
    provision_collections(cluster)
    declare_queues(cluster)
    console.print(f"{cluster} has its users, collections, indexes and queues")

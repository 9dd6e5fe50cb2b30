"""`ic cluster-file`: write the local stack as a file of endpoints and a folder of secrets."""

from pathlib import Path
from typing import Annotated

import typer

from devstack.cluster_export import write_cluster_file
from devstack.local_cluster import open_local_cluster
from ops.console import console
from ops.options import DEFAULT_STACK, StackName


def register(app: typer.Typer) -> None:
    """Add `ic cluster-file`."""
    app.command("cluster-file")(cluster_file)


def cluster_file(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Gets cluster.yaml and secrets/.")],
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Write the stack's endpoints and secrets as `ic --cluster FILE` reads them, to try that out."""
    path = write_cluster_file(open_local_cluster(stack), folder)
    console.print(f"try: ic --cluster {path} shards list", soft_wrap=True)

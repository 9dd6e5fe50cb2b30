"""Options that several commands share, and the cluster that they choose."""

from contextvars import ContextVar
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ops.errors import OpsError

if TYPE_CHECKING:
    from ops.cluster import Cluster

DEFAULT_STACK: Final = "dev"
LOCAL_CLUSTER: Final = "local"
_chosen_cluster: ContextVar[str] = ContextVar("chosen_cluster", default=LOCAL_CLUSTER)

StackName = Annotated[
    str, typer.Option("--stack", help="Which stack: `dev`, or another with ports of its own.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
PrometheusUrl = Annotated[
    str, typer.Option("--prometheus", help="Ask this Prometheus, not that of the cluster.", metavar="URL")
]


def open_chosen_cluster(stack: str) -> "Cluster":
    """Return the running cluster of `ic --cluster`; of the local stacks, the one named `stack`.

    Raises:
        OpsError: there is none, it is down, or `--stack` is given with a cluster that is no local stack.
    """
    from ops.cluster import open_cluster  # noqa: PLC0415 - not for the list of commands

    reference = chosen_cluster()
    if reference == LOCAL_CLUSTER:
        reference = f"{LOCAL_CLUSTER}:{stack}"
    elif stack != DEFAULT_STACK:
        raise OpsError(f"--stack names a local stack, and --cluster is {reference}: give one of the two")
    cluster = open_cluster(reference)
    cluster.require_running()
    return cluster


def choose_cluster(reference: str) -> str:
    """Store the value of `ic --cluster` for the command that follows it."""
    _chosen_cluster.set(reference)
    return reference


def chosen_cluster() -> str:
    """Return the value of `ic --cluster`; outside a command, the local stacks."""
    return _chosen_cluster.get()

"""`ic restore`: make an empty cluster from a backup."""

from pathlib import Path
from typing import Annotated

import typer
from pymongo.errors import PyMongoError

from chassis.errors import DomainError
from ops.backup.restore import read_backup, restore_backup
from ops.cluster import Cluster
from ops.console import console
from ops.errors import OpsError
from ops.options import DEFAULT_STACK, StackName, open_chosen_cluster
from ops.progress import StepProgress
from ops.provision import declare_queues
from ops.replay.derived_data import REPLAY_KINDS, ReplayRequest, replay_derived_data


def register(app: typer.Typer) -> None:
    """Add `ic restore`."""
    app.command("restore")(restore)


def restore(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that `ic backup` has written.")],
    replay: Annotated[
        bool,
        typer.Option(
            "--replay/--no-replay",
            help="Rebuild search, lists and figures in the end, which needs the services' secrets.",
        ),
    ] = True,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Load a backup into an empty cluster whose services do not run; if broken off, run it again."""
    cluster, steps = open_chosen_cluster(stack), StepProgress()
    with steps.step("files of the backup"):
        manifest = read_backup(folder)
    restore_backup(cluster, folder, manifest, steps)
    console.print(f"{cluster} holds the documents of the backup; what is left:")
    with steps.step("queues"):
        declare_queues(cluster)
    if replay:
        _replay_all(cluster, steps)
    console.print(f"{cluster} is restored; its services may be started")


def _replay_all(cluster: Cluster, steps: StepProgress) -> None:
    for kind in REPLAY_KINDS:
        try:
            with steps.step(f"rebuild {kind}"):
                mended = _replay(cluster, kind)
        except (DomainError, PyMongoError, OpsError) as error:
            later = ", ".join(f"ic replay --service {each}" for each in REPLAY_KINDS)
            raise OpsError(
                f"the documents are restored; derived data is not rebuilt: {error}; then run {later}"
            ) from error
        if mended:
            steps.note(f"{mended:,} entries mended")


def _replay(cluster: Cluster, kind: str) -> int:
    """Rebuild derived data of one kind; return the number of wrong entries."""
    mended = 0

    def progress(_what: str, _more: int, wrong: int) -> None:
        nonlocal mended
        mended += wrong

    replay_derived_data(cluster, ReplayRequest(kind, None, write=True), progress)
    return mended

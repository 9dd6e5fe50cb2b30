"""`ic documents`: compare students' documents with the store of their contents."""

from collections import Counter
from typing import Annotated

import typer
from pymongo.errors import PyMongoError

from chassis.errors import DomainError
from ops.commands.replay import replay_table
from ops.console import console
from ops.documents import verify_documents
from ops.errors import OpsError
from ops.options import DEFAULT_STACK, StackName, open_chosen_cluster
from ops.progress import StepProgress


def register(app: typer.Typer) -> None:
    """Add `ic documents`."""
    documents = typer.Typer(
        help="Compare students' documents with the store of their contents.", no_args_is_help=True
    )
    documents.callback()(lambda: None)
    documents.command("verify")(verify)
    app.add_typer(documents, name="documents")


def verify(
    write: Annotated[
        bool,
        typer.Option(
            "--write",
            help="Mend: record lost contents as lost, delete contents of no document, "
            "and what interrupted uploads have left.",
        ),
    ] = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Find documents without their content, and contents without a document, while serving."""
    cluster = open_chosen_cluster(stack)
    looked_at, wrong = Counter[str](), Counter[str]()
    steps = StepProgress()
    try:
        with steps.step("verify documents") as detail:

            def progress(what: str, more: int, wrong_ones: int) -> None:
                looked_at[what] += more
                wrong[what] += wrong_ones
                detail(f"{what} {looked_at[what]:,}")

            verify_documents(cluster, progress, write=write)
    except (DomainError, PyMongoError) as error:
        raise OpsError(f"it ended early: {error}; run it again") from error
    console.print(replay_table(looked_at, wrong, dry_run=not write))

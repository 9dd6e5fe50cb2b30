"""`ic replay`: rebuild derived data while everything serves."""

from collections import Counter
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer
from pymongo.errors import PyMongoError
from rich.table import Table

from chassis.errors import DomainError
from ops.console import console
from ops.errors import OpsError
from ops.options import DEFAULT_STACK, StackName, open_chosen_cluster
from ops.progress import StepProgress
from ops.replay.derived_data import ReplayRequest, replay_derived_data
from ops.time_options import parse_past_time


class DerivedData(StrEnum):
    """The kinds of derived data."""

    SEARCH = "search"
    APPLICANTS = "applicants"
    FIGURES = "figures"
    MEMBERS = "members"


def register(app: typer.Typer) -> None:
    """Add `ic replay`."""
    app.command("replay")(replay)


def replay(
    service: Annotated[
        DerivedData,
        typer.Option(
            help="`search`: the index, from listings. `applicants`: companies' lists, from applications. "
            "`figures`: funnels and overviews, from both; views have no other source and stay. "
            "`members`: whom a company's plan concerns, from accounts."
        ),
    ],
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME|DURATION",
            help="Only what changed since: 2027-03-01T09:00Z, or 90s, 30m, 24h, 7d ago. Without: everything.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what is wrong.")] = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Rebuild derived data from the source of truth, while serving. Correct data is not written again."""
    cluster = open_chosen_cluster(stack)
    start = None if since is None else parse_past_time(since, datetime.now(UTC))
    looked_at, wrong = Counter[str](), Counter[str]()
    steps = StepProgress()
    try:
        with steps.step(f"{'check' if dry_run else 'rebuild'} {service}") as detail:

            def progress(what: str, more: int, wrong_ones: int) -> None:
                looked_at[what] += more
                wrong[what] += wrong_ones
                detail(f"{what} {looked_at[what]:,}")

            replay_derived_data(cluster, ReplayRequest(service.value, start, write=not dry_run), progress)
    except DomainError as error:
        hint = f"{cluster.status_hint}, then run it again" if cluster.status_hint else "run it again"
        raise OpsError(f"it ended early: {error}; {hint}") from error
    except PyMongoError as error:
        raise OpsError(f"it ended early: {error}; if an index is missing: ic provision") from error
    console.print(replay_table(looked_at, wrong, dry_run=dry_run))


def replay_table(looked_at: Counter[str], wrong: Counter[str], *, dry_run: bool) -> Table:
    """Return the table of the numbers of examined and wrong documents."""
    shown = Table(box=None, pad_edge=False)
    shown.add_column("what")
    shown.add_column("looked at", justify="right")
    shown.add_column("wrong" if dry_run else "mended", justify="right")
    for what, count in looked_at.items():
        shown.add_row(what, f"{count:,}", f"{wrong[what]:,}")
    return shown

"""`ic seed`: fill a running stack with reproducible data."""

from typing import Annotated

import typer

from devstack import topology
from devstack.seed import seeding
from devstack.seed.seed_plan import SeedRequest
from ops.options import DEFAULT_STACK, StackName
from ops.progress import StepProgress


def register(app: typer.Typer) -> None:
    """Add `ic seed`."""
    app.command("seed")(seed)


def seed(
    stack: StackName = DEFAULT_STACK,
    *,
    number: Annotated[int, typer.Option(help="The same number gives the same data.")] = SeedRequest.number,
    companies: Annotated[int, typer.Option(min=1, max=10_000)] = SeedRequest.companies,
    students: Annotated[int, typer.Option(min=1, max=1_000_000)] = SeedRequest.students,
    listings: Annotated[int, typer.Option(min=1, max=1_000_000)] = SeedRequest.listings,
    applications: Annotated[int, typer.Option(min=0, max=1_000_000)] = SeedRequest.applications,
) -> None:
    """Fill a running stack with companies, students, listings and applications in all states."""
    wanted = SeedRequest(number, companies, students, listings, applications)
    seeding.seed_with_progress(topology.find_stack(stack), wanted, StepProgress())
    seeding.print_seed_logins()

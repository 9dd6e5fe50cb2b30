"""`ic seed`: fill a running stack with reproducible data."""

from typing import Annotated

import typer

from ops.options import StackName
from ops.seed import Wanted, steps
from ops.stack import topology
from ops.stack.steps import Steps
from ops.stack.topology import DEFAULT_STACK


def register(app: typer.Typer) -> None:
    """Adds `ic seed`."""
    app.command("seed")(seed)


def seed(
    stack: StackName = DEFAULT_STACK,
    *,
    number: Annotated[int, typer.Option(help="The same number gives the same data.")] = Wanted.number,
    companies: Annotated[int, typer.Option(min=1, max=10_000)] = Wanted.companies,
    students: Annotated[int, typer.Option(min=1, max=1_000_000)] = Wanted.students,
    listings: Annotated[int, typer.Option(min=1, max=1_000_000)] = Wanted.listings,
    applications: Annotated[int, typer.Option(min=0, max=1_000_000)] = Wanted.applications,
) -> None:
    """Fill a running stack with companies, students, listings and applications in all states."""
    wanted = Wanted(number, companies, students, listings, applications)
    steps.sow(topology.find(stack), wanted, Steps())
    steps.say_who_can_log_in()

"""`ic audit`: find records of security events that were tampered with."""

import sys
from typing import Annotated

import typer
from rich.markup import escape

from chassis.ids import is_id
from ops.accounts import find_account, run_auth_cases
from ops.console import console
from ops.options import DEFAULT_STACK, StackName, open_chosen_cluster
from ops.printable import printable
from ops.progress import StepProgress
from services.auth.domain.security_events import BrokenLink
from services.auth.service.use_cases import AuthUseCases


def register(app: typer.Typer) -> None:
    """Add `ic audit`."""
    audit = typer.Typer(help="Find records of security events that were tampered with.", no_args_is_help=True)
    audit.callback()(lambda: None)
    audit.command("verify")(verify)
    app.add_typer(audit, name="audit")


def verify(
    user: Annotated[
        str, typer.Option("--user", help="Only this account: its address or user ID.", metavar="ADDRESS")
    ] = "",
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Walk the chains of security events, and name the first broken link of each account.

    The exit code is 1 if there is one.
    """
    cluster, steps = open_chosen_cluster(stack), StepProgress()
    verified = 0

    async def verify_one(cases: AuthUseCases) -> list[BrokenLink]:
        # An ID is taken as it is: the account itself may be gone.
        user_id = user if is_id("usr", user) else (await find_account(cases, user)).id
        broken = await cases.verify_security_events.verify_account(user_id)
        return [broken] if broken else []

    with steps.step("verify security events") as detail:

        def progress(more: int) -> None:
            nonlocal verified
            verified += more
            detail(f"{verified:,} accounts")

        async def verify_all(cases: AuthUseCases) -> list[BrokenLink]:
            return [broken async for broken in cases.verify_security_events.verify_all(progress)]

        found = run_auth_cases(cluster, verify_one if user else verify_all)
    for broken in found:
        console.print(
            f"[red]broken[/] {escape(printable(broken.user_id))}: event {broken.number} {broken.problem}",
            soft_wrap=True,
        )
    if found:
        sys.exit(1)
    console.print("every chain holds")

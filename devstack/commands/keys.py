"""`ic keys`: replace the keys with which services encrypt what they store."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from pymongo.errors import PyMongoError
from rich.table import Table

from chassis.errors import DomainError
from devstack import data_keys, topology
from devstack.supervisor import require_running
from ops.console import console
from ops.data_keys import DataKeyStatus, read_data_key_status
from ops.errors import OpsError
from ops.options import DEFAULT_STACK, StackName, open_chosen_cluster
from ops.progress import StepProgress

ServiceName = Annotated[str, typer.Argument(metavar="SERVICE", help="Such as auth.")]


def register(app: typer.Typer) -> None:
    """Add `ic keys`."""
    keys = typer.Typer(
        help="Replace the keys with which services encrypt what they store.", no_args_is_help=True
    )
    keys.command("status")(status)
    keys.command("rotate")(rotate)
    keys.command("retire")(retire)
    app.add_typer(keys, name="keys")


def status(stack: StackName = DEFAULT_STACK) -> None:
    """Show what each data key of the auth service encrypts; end with 1 if a secret has no known key."""
    found = _read_status(stack)
    table = Table("data key", "used for", "second factors", "keys of the service")
    for use in found.uses:
        purpose = "encrypting and decrypting" if use.is_newest else "decrypting only"
        table.add_row(use.name, purpose, f"{use.second_factors:,}", f"{use.other_secrets:,}")
    console.print(table)
    if found.unknown:
        console.print(f"{found.unknown:,} secrets are encrypted with none of these keys", style="bold red")
        raise typer.Exit(1)
    console.print(f"{found.left:,} secrets wait to be encrypted with the newest key")


def rotate(service: ServiceName, stack: StackName = DEFAULT_STACK) -> None:
    """Give a service of a local stack a new data key, restart the services and encrypt with the new key."""
    found = topology.find_stack(stack)
    require_running(found)
    steps = StepProgress()
    with steps.step(f"a new data key for {service}"):
        data_keys.rotate_data_key(found, service, datetime.now(UTC))
    data_keys.restart_services(found, steps)
    if service != "auth":
        return
    with steps.step("encrypt with the new key") as detail:
        data_keys.wait_until_renewed(
            lambda: _read_status(stack).left, lambda left: detail(f"{left:,} secrets are left")
        )


def retire(
    service: ServiceName,
    stack: StackName = DEFAULT_STACK,
    at_once: Annotated[
        bool,
        typer.Option("--at-once", help="Also end the sessions that began under a former key."),
    ] = False,
) -> None:
    """Take the former data keys of a service of a local stack away."""
    found = topology.find_stack(stack)
    require_running(found)
    if at_once and service != "auth":
        raise OpsError("--at-once is for auth: with another key, mails that wait would be lost")
    if service == "auth" and (left := _read_status(stack).left):
        raise OpsError(f"{left:,} secrets are still encrypted with a former key: see `ic keys status`")
    steps = StepProgress()
    with steps.step(f"take the former data keys of {service} away"):
        data_keys.retire_data_keys(found, service, datetime.now(UTC), at_once=at_once)
    data_keys.restart_services(found, steps)


def _read_status(stack: str) -> DataKeyStatus:
    try:
        return read_data_key_status(open_chosen_cluster(stack))
    except (DomainError, PyMongoError) as error:
        raise OpsError(f"the database of auth does not answer: {error}") from error

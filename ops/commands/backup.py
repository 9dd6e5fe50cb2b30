"""`ic backup`: write a backup of all shards at one time, or check one."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.markup import escape
from typer.core import TyperGroup

from ops.backup.create import create_backup
from ops.backup.manifest import Manifest
from ops.backup.restore import read_backup
from ops.backup.rotation import delete_old_backups, name_next_backup
from ops.cli import read_version
from ops.console import console
from ops.options import DEFAULT_STACK, StackName, open_chosen_cluster
from ops.progress import StepProgress
from ops.time_options import parse_duration_s

CREATE_COMMAND: Final = "create"
DEFAULT_EVENTS: Final = "1h"

BackupFolder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the backup.")]


class BackupGroup(TyperGroup):
    """`ic backup DIR` is short for `ic backup create DIR`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `create` before anything that is no command."""
        if args and args[0] not in {*self.commands, *ctx.help_option_names}:
            args = [CREATE_COMMAND, *args]
        return super().parse_args(ctx, args)


def register(app: typer.Typer) -> None:
    """Add `ic backup`."""
    backup = typer.Typer(
        cls=BackupGroup,
        help="Write a backup of all shards at one time (ic backup DIR), or check one.",
        no_args_is_help=True,
    )
    backup.command(CREATE_COMMAND)(create)
    backup.command("verify")(verify)
    app.add_typer(backup, name="backup")


def create(
    folder: BackupFolder,
    events: Annotated[
        str,
        typer.Option(
            metavar="DURATION",
            help="Keep the events that were sent in this time before, too: no queue is part of a backup.",
        ),
    ] = DEFAULT_EVENTS,
    keep: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="DIR is a folder of backups: write the next one there, then delete all but the newest N.",
        ),
    ] = None,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Write a backup into a new or empty folder while everything serves. Slots cannot be moved during it."""
    events_s = parse_duration_s(events, "--events")
    steps, parent = StepProgress(), folder
    if keep is not None:
        folder = name_next_backup(parent, datetime.now(UTC))
    manifest = create_backup(open_chosen_cluster(stack), folder, events_s, read_version(), steps)
    _print_backup(folder, manifest)
    if manifest.time - manifest.events_since < events_s:
        since = _format_time(manifest.events_since)
        console.print(f"[yellow]the oplogs reach back to {since} only: earlier events are not kept[/]")
    if manifest.left_out:
        names = escape(", ".join(manifest.left_out))
        console.print(f"[yellow]left out, as no service declares it: {names}[/]", soft_wrap=True)
    if keep is not None:
        for old in delete_old_backups(parent, keep):
            console.print(f"deleted {escape(str(old))}", soft_wrap=True)


def verify(folder: BackupFolder) -> None:
    """Read all files of a backup, and see that they are as they were written; needs no cluster."""
    _print_backup(folder, read_backup(folder))


def _print_backup(folder: Path, manifest: Manifest) -> None:
    size = sum(file.bytes for file in manifest.files)
    documents = manifest.count_documents().total()
    console.print(
        f"{escape(str(folder))} is a complete backup of '{escape(manifest.cluster)}' as it was at "
        f"{_format_time(manifest.time)}: {len(manifest.shards)} shards, {documents:,} documents, "
        f"{size / 1_000_000:,.1f} MB",
        soft_wrap=True,
    )


def _format_time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")

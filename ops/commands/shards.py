"""`ic shards`: see what lies on which shard, add shards, move slots."""

import importlib
import json
from collections import Counter
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from ops.console import console
from ops.options import DEFAULT_STACK, AsJson, StackName, open_chosen_cluster
from ops.progress import StepProgress

MEGABYTE = 1_000_000

ShardArgument = Annotated[str, typer.Argument(metavar="NAME", help="Of the new shard, such as s3.")]
ShardUriArgument = Annotated[
    str,
    typer.Argument(
        metavar="[URI]",
        help="Of servers that are there already: mongodb://host:port,.../?replicaSet=..., without a user.",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Add `ic shards`."""
    shards = typer.Typer(help="See what lies on which shard, add shards, move slots.", no_args_is_help=True)
    shards.command("list")(show)
    shards.command("verify")(verify)
    shards.command("add")(add)
    shards.command("readdress")(readdress)
    shards.command("set-region")(set_region)
    shards.command("move")(move)
    shards.command("rebalance")(rebalance)
    app.add_typer(shards, name="shards")


def show(stack: StackName = DEFAULT_STACK, as_json: AsJson = False) -> None:
    """Show each shard: its slots, documents, bytes and operations, and who has confirmed its slot map."""
    cluster = open_chosen_cluster(stack)
    statuses = _status_module().read_shard_statuses(cluster)
    if as_json:
        shown = {"stack": cluster.name, "shards": [_status_json(each) for each in statuses]}
        print(json.dumps(shown, default=str, indent=2))
        return
    console.print(_table(cluster.name, statuses))
    for each in statuses:
        if each.error:
            console.print(f"[red]{each.name} does not answer:[/] {escape(each.error)}", soft_wrap=True)


def verify(stack: StackName = DEFAULT_STACK) -> None:
    """See that all copies of the slot map agree and every document lies on the shard of its slot."""
    complaints = _status_module().find_shard_problems(open_chosen_cluster(stack))
    for complaint in complaints:
        console.print(f"[red]{escape(complaint)}[/]", soft_wrap=True)
    if complaints:
        console.print("what was begun is finished by: ic shards move --resume, or by the same add again")
        raise typer.Exit(1)
    console.print("every slot is on one shard, every document lies where its slot is, and all shards agree")


def add(name: ShardArgument, uri: ShardUriArgument = "", stack: StackName = DEFAULT_STACK) -> None:
    """Start one more shard, or take the one at URI, and add it to the slot map; it has no slots yet.

    May be repeated.
    """
    slot_map = _add_shard_module().add_shard(open_chosen_cluster(stack), name, uri, StepProgress())
    console.print(f"the shard '{name}' is in the slot map, version {slot_map.version}; it has no slots yet")


def readdress(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of a shard that is there.")],
    uri: Annotated[str, typer.Argument(metavar="URI", help="Where it is from now on, as for `add`.")],
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Have everybody reach a shard at another address: other members, or another host. May be repeated."""
    slot_map = _add_shard_module().readdress_shard(open_chosen_cluster(stack), name, uri, StepProgress())
    console.print(f"the shard '{name}' is at {slot_map.uris[name]}, slot map version {slot_map.version}")


def set_region(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of a shard that is there.")],
    region: Annotated[
        str, typer.Argument(metavar="REGION", help='Where its primary is, such as eu-central; "" for none.')
    ],
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Say in which region a shard is: accounts that are opened there get their records on its shards."""
    slot_map = _add_shard_module().set_shard_region(open_chosen_cluster(stack), name, region, StepProgress())
    where = f"in the region '{region}'" if region else "in no region"
    console.print(f"the shard '{name}' is {where}, slot map version {slot_map.version}")


def move(
    slots: Annotated[str, typer.Argument(help="Such as 0-1023 or 5,7,100-199.", show_default=False)] = "",
    to: Annotated[str, typer.Option(metavar="NAME", help="The shard that is to have them.")] = "",
    resume: Annotated[bool, typer.Option("--resume", help="Finish a move that was interrupted.")] = False,
    abort: Annotated[bool, typer.Option("--abort", help="Take it back, while that can be done.")] = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Move slots to another shard while they are read and written to; may be interrupted at any point."""
    asked = (bool(slots and to), resume, abort)
    if sum(asked) != 1 or bool(slots) != bool(to):
        raise typer.BadParameter("say which slots and where --to, or --resume, or --abort")
    actions, cluster, steps = _migration_module(), open_chosen_cluster(stack), StepProgress()
    if abort:
        actions.abort_migration(cluster, steps.note)
        console.print("the move is taken back; all slots are where they were")
        return
    moved = (
        actions.resume_migration(cluster, steps.note)
        if resume
        else actions.move_slots(cluster, actions.parse_slots(slots), to, steps.note)
    )
    _print_migrations(moved)


def rebalance(
    plan: Annotated[bool, typer.Option("--plan", help="Only show what would be moved.")] = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Move slots until all shards have equally many; finishes first what was interrupted."""
    actions, cluster = _migration_module(), open_chosen_cluster(stack)
    if not plan:
        _print_migrations(actions.rebalance_slots(cluster, StepProgress().note))
        console.print("all shards, of each region, have equally many slots")
        return
    for each in actions.plan_rebalance(cluster):
        console.print(f"{len(each.span.slots):,} slots, {each.span}, from {each.source} to {each.target}")


def _print_migrations(moved: list[Any]) -> None:
    for each in moved:
        fence = f", fenced for {each.fenced_s * 1000:.0f} ms" if each.fenced_s is not None else ""
        console.print(
            f"[green]{each.slots:,} slots moved from {each.source} to {each.target}[/]: "
            f"{each.documents:,} documents copied{fence}"
        )


def _add_shard_module() -> Any:
    return importlib.import_module("ops.shards.add_shard")


def _status_module() -> Any:
    """Return the module of the status, imported on demand: the services' libraries take a second to load."""
    return importlib.import_module("ops.shards.status")


def _migration_module() -> Any:
    return importlib.import_module("ops.migration.operator_actions")


def _status_json(status: Any) -> dict[str, Any]:
    fields = asdict(status)
    return {("moving" if name == "moving_slots" else name): value for name, value in fields.items()}


def _table(cluster: str, statuses: list[Any]) -> Table:
    table = Table(title=f"shards of '{cluster}'", title_justify="left", box=None, pad_edge=False)
    table.add_column("shard", no_wrap=True)
    table.add_column("address", no_wrap=True)
    has_regions = any(each.region for each in statuses)
    if has_regions:
        table.add_column("region", no_wrap=True)
    for name in ("slots", "fenced", "moving", "documents", "MB", "operations/s", "version"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("confirmed by")
    for each in statuses:
        megabytes = None if each.bytes is None else f"{each.bytes / MEGABYTE:.1f}"
        load = None if each.operations_per_s is None else f"{each.operations_per_s:.0f}"
        cells = (each.slots, each.fenced, each.moving_slots, each.documents, megabytes, load, each.version)
        region = (each.region or "-",) if has_regions else ()
        table.add_row(each.name, each.address, *region, *map(_format_cell, cells), _confirmations(each))
    return table


def _format_cell(value: Any) -> str:
    return "?" if value is None else str(value)


def _confirmations(status: Any) -> str:
    versions = Counter(member.version for member in status.members)
    return ", ".join(f"{count} at {version}" for version, count in sorted(versions.items())) or "nobody"

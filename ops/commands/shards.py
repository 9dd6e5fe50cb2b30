"""`ic shards`: what each shard holds, whether it lies where it should, and one more shard."""

import importlib
import json
from collections import Counter
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from ops.console import console
from ops.options import AsJson, StackName
from ops.stack import lifecycle, topology
from ops.stack.lifecycle import Stack
from ops.stack.steps import Steps
from ops.stack.topology import DEFAULT_STACK, Topology

MEGABYTE = 1_000_000

ShardName = Annotated[str, typer.Argument(metavar="NAME", help="Of the new shard, such as s3.")]
Address = Annotated[
    str,
    typer.Argument(
        metavar="[URI]",
        help="Of servers that are there already: mongodb://host:port,.../?replicaSet=..., without a user.",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Adds `ic shards`."""
    shards = typer.Typer(help="See what lies on which shard, and add shards.", no_args_is_help=True)
    shards.command("list")(show)
    shards.command("verify")(verify)
    shards.command("add")(add)
    shards.command("readdress")(readdress)
    app.add_typer(shards, name="shards")


def show(stack: StackName = DEFAULT_STACK, as_json: AsJson = False) -> None:
    """Show each shard: its slots, documents, bytes and operations, and who has confirmed its slot map."""
    holdings = _logic().holdings(Stack.of(_running(stack)))
    if as_json:
        print(
            json.dumps({"stack": stack, "shards": [asdict(each) for each in holdings]}, default=str, indent=2)
        )
        return
    console.print(_table(stack, holdings))
    for each in holdings:
        if each.error:
            console.print(f"[red]{each.name} does not answer:[/] {escape(each.error)}", soft_wrap=True)


def verify(stack: StackName = DEFAULT_STACK) -> None:
    """See that all copies of the slot map agree and every document lies on the shard of its slot."""
    complaints = _logic().complaints(Stack.of(_running(stack)))
    for complaint in complaints:
        console.print(f"[red]{escape(complaint)}[/]", soft_wrap=True)
    if complaints:
        raise typer.Exit(1)
    console.print("every slot is on one shard, every document lies where its slot is, and all shards agree")


def add(name: ShardName, uri: Address = "", stack: StackName = DEFAULT_STACK) -> None:
    """Start one more shard, or take the one at URI, and add it to the slot map; it has no slots yet.

    May be repeated.
    """
    slot_map = _growing().add(_running(stack), name, uri, Steps())
    console.print(f"the shard '{name}' is in the slot map, version {slot_map.version}; it has no slots yet")


def readdress(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of a shard that is there.")],
    uri: Annotated[str, typer.Argument(metavar="URI", help="Where it is from now on, as for `add`.")],
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Have everybody reach a shard at another address: other members, or another host. May be repeated."""
    slot_map = _growing().readdress(_running(stack), name, uri, Steps())
    console.print(f"the shard '{name}' is at {slot_map.uris[name]}, slot map version {slot_map.version}")


def _running(stack: str) -> Topology:
    found = topology.find(stack)
    lifecycle.must_run(found)
    return found


def _growing() -> Any:
    return importlib.import_module("ops.stack.growing")


def _logic() -> Any:
    """Only when it is needed: the services' libraries take a second to load."""
    return importlib.import_module("ops.stack.shards")


def _table(stack: str, holdings: list[Any]) -> Table:
    table = Table(title=f"shards of '{stack}'", title_justify="left", box=None, pad_edge=False)
    table.add_column("shard", no_wrap=True)
    table.add_column("address", no_wrap=True)
    for name in ("slots", "fenced", "documents", "MB", "operations/s", "version"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("confirmed by")
    for each in holdings:
        megabytes = None if each.bytes is None else f"{each.bytes / MEGABYTE:.1f}"
        load = None if each.operations_per_s is None else f"{each.operations_per_s:.0f}"
        cells = (each.slots, each.fenced, each.documents, megabytes, load, each.version)
        table.add_row(each.name, each.address, *map(_cell, cells), _confirmations(each))
    return table


def _cell(value: Any) -> str:
    return "?" if value is None else str(value)


def _confirmations(holding: Any) -> str:
    versions = Counter(member.version for member in holding.members)
    return ", ".join(f"{count} at {version}" for version, count in sorted(versions.items())) or "nobody"

"""`ic mesh`: show what Envoy and the services have confirmed of their configuration."""

import importlib
import json
import time
from dataclasses import asdict
from typing import Any

import typer
from rich.markup import escape
from rich.table import Table

from ops.console import console
from ops.options import DEFAULT_STACK, AsJson, StackName, open_chosen_cluster

STATE_STYLE = {"SYNCED": "green", "STALE": "yellow", "NOT_SENT": "yellow", "ERROR": "red"}
RESOURCE_TYPE_LABELS = ("cds", "eds", "lds", "rds")


def register(app: typer.Typer) -> None:
    """Add `ic mesh`."""
    app.command("mesh")(mesh)


def mesh(stack: StackName = DEFAULT_STACK, as_json: AsJson = False) -> None:
    """Show each node of the mesh: what it has confirmed of its configuration, and since when."""
    cluster = open_chosen_cluster(stack)
    # Only here: Envoy's API takes a while to load.
    nodes = importlib.import_module("ops.mesh_status").fetch_mesh_status(cluster)
    if as_json:
        print(json.dumps({"stack": cluster.name, "nodes": [asdict(node) for node in nodes]}, indent=2))
        return
    console.print(_table(cluster.name, nodes))
    for node in nodes:
        _print_refusals(node)


def _print_refusals(node: Any) -> None:
    for kind in node.kinds:
        if kind.reason:
            refusal = f"[red]{node.node} refuses {kind.type}:[/] {escape(kind.reason)}"
            console.print(refusal, soft_wrap=True)


def _table(cluster: str, nodes: list[Any]) -> Table:
    table = Table(title=f"mesh of '{cluster}'", title_justify="left", box=None, pad_edge=False)
    for name in ("node", "group", "region", "streams", *RESOURCE_TYPE_LABELS):
        table.add_column(name, no_wrap=True)
    for node in nodes:
        kinds = {kind.type: kind for kind in node.kinds}
        cells = (_format_status(kinds.get(label)) for label in RESOURCE_TYPE_LABELS)
        table.add_row(node.node, node.group, node.region, str(node.streams), *cells)
    return table


def _format_status(kind: Any) -> str:
    if kind is None:
        return "[dim]-[/]"
    style = STATE_STYLE.get(kind.state, "red")
    return f"[{style}]{kind.state.lower()}[/] {kind.version[:8]} [dim]{_format_age(kind.since)}[/]"


def _format_age(moment: float) -> str:
    seconds = max(0, int(time.time() - moment))
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"

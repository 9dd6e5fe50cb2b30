"""`ic outbox`: show the events that wait to be sent."""

import json
from dataclasses import asdict

import typer
from rich.table import Table

from ops import outboxes
from ops.console import console
from ops.options import DEFAULT_STACK, AsJson, StackName, open_chosen_cluster
from ops.outboxes import OutboxStatus

LAG_WARNING_S = 5.0


def register(app: typer.Typer) -> None:
    """Add `ic outbox`."""
    outbox = typer.Typer(help="Look at the events that wait to be sent.", no_args_is_help=True)
    outbox.callback()(lambda: None)
    outbox.command("status")(status)
    app.add_typer(outbox, name="outbox")


def status(stack: StackName = DEFAULT_STACK, as_json: AsJson = False) -> None:
    """Show per shard and service how many events wait, how long, and who relays them."""
    cluster = open_chosen_cluster(stack)
    rows = outboxes.read_outbox_statuses(cluster)
    if as_json:
        print(json.dumps({"stack": cluster.name, "outboxes": [asdict(row) for row in rows]}, indent=2))
        return
    console.print(_table(cluster.name, rows))


def _table(cluster: str, rows: list[OutboxStatus]) -> Table:
    table = Table(title=f"outboxes of '{cluster}'", title_justify="left", box=None, pad_edge=False)
    for name in ("shard", "service"):
        table.add_column(name)
    for name in ("rows", "lag"):
        table.add_column(name, justify="right")
    table.add_column("relayed by")
    for row in rows:
        table.add_row(row.shard, row.service, *outbox_cells(row))
    return table


def outbox_cells(row: OutboxStatus) -> tuple[str, str, str]:
    """Return rows, lag and relay of one outbox, with markup."""
    if row.problem:
        return "-", "-", f"[red]{row.problem}[/]"
    lag = f"{row.lag_s:,.1f} s" if row.rows else "-"
    relay = f"{row.holder} [dim]for {row.lease_s:.1f} s more[/]" if row.holder else "[yellow]nobody[/]"
    return f"{row.rows:,}", f"[yellow]{lag}[/]" if row.lag_s > LAG_WARNING_S else lag, relay

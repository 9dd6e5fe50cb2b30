"""`ic status`: what each process is doing."""

import json
from dataclasses import asdict

import typer
from rich.table import Table

from ops.console import console
from ops.errors import OpsError
from ops.options import AsJson, StackName
from ops.stack import report, topology
from ops.stack.lifecycle import Stack
from ops.stack.report import Row
from ops.stack.topology import DEFAULT_STACK

MEGABYTE = 1024 * 1024
MOST_PORTS = 3
STATE_STYLE = {"RUNNING": "green", "STARTING": "yellow", "STOPPED": "dim"}


def register(app: typer.Typer) -> None:
    """Adds `ic status`."""
    app.command("status")(status)


def status(stack: StackName = DEFAULT_STACK, as_json: AsJson = False) -> None:
    """Show each process: port, state, restarts, memory, readiness."""
    found = report.rows(Stack.of(topology.find(stack)))
    if as_json:
        print(json.dumps({"stack": stack, "processes": [asdict(row) for row in found]}, indent=2))
        return
    if not found:
        raise OpsError(f"the stack '{stack}' is not running; start it with: ic up --stack {stack}")
    console.print(_table(stack, found))


def _table(stack: str, found: list[Row]) -> Table:
    table = Table(title=f"stack '{stack}'", title_justify="left", show_footer=True, box=None, pad_edge=False)
    unready = sum(not row.ready for row in found)
    summary = "all ready" if not unready else f"{unready} not ready"
    total = f"{report.total_memory(found) / MEGABYTE:,.0f} MB"
    for name, footer, right in (
        ("process", f"{len(found)} processes", False),
        ("ports", "", False),
        ("pid", "", True),
        ("state", "", False),
        ("up for", "", True),
        ("restarts", str(sum(row.restarts for row in found)), True),
        ("memory", total, True),
        ("readiness", summary, False),
    ):
        table.add_column(
            name, footer=footer, justify="right" if right else "left", no_wrap=name != "readiness"
        )
    for row in found:
        table.add_row(*_cells(row))
    return table


def _cells(row: Row) -> tuple[str, ...]:
    readiness = "[green]ready[/]" if row.ready else "[red]not ready[/]"
    return (
        row.name,
        _ports(row),
        str(row.pid or "-"),
        f"[{STATE_STYLE.get(row.state, 'red')}]{row.state.lower()}[/]",
        _duration(row.uptime_s),
        f"[yellow]{row.restarts}[/]" if row.restarts else "0",
        f"{row.memory_bytes / MEGABYTE:,.0f} MB",
        f"{readiness} [dim]{row.detail}[/]" if row.detail else readiness,
    )


def _ports(row: Row) -> str:
    """The first ones; the proxy before the stores has as many as they have together."""
    shown = [f"[dim]{label}[/] {port}" for label, port in row.ports.items()][:MOST_PORTS]
    more = len(row.ports) - len(shown)
    return " ".join([*shown, *([f"[dim]+ {more}[/]"] if more else [])])


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"

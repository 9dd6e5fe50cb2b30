"""`ic status`: show each process: state, readiness, restarts, memory, ports."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Final

import typer
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from devstack import process_status, topology
from devstack.process_status import ProcessStatus
from devstack.stack import Stack
from ops.console import console
from ops.errors import OpsError
from ops.options import DEFAULT_STACK, AsJson, StackName
from ops.printable import printable

MEGABYTE = 1024 * 1024
MAX_PORTS_SHOWN = 3
READINESS: Final = "readiness"
MIN_READINESS_WIDTH: Final = 30
"""The minimum width of readiness, in characters, before other columns are left out."""
COLUMN_GAP: Final = 2
DROP_ORDER: Final = ("pid", "ports", "up for", "memory", "restarts")
"""The columns that a narrow screen leaves out, the least important first."""
RIGHT_ALIGNED: Final = frozenset({"pid", "up for", "restarts", "memory"})
STATE_STYLE = {"RUNNING": "green", "STARTING": "yellow", "STOPPED": "dim"}


def register(app: typer.Typer) -> None:
    """Add `ic status`."""
    app.command("status")(status)


def status(stack: StackName = DEFAULT_STACK, as_json: AsJson = False) -> None:
    """Show each process: port, state, restarts, memory, readiness."""
    found = process_status.read_process_statuses(Stack.assemble(topology.find_stack(stack)))
    if as_json:
        print(json.dumps({"stack": stack, "processes": [asdict(row) for row in found]}, indent=2))
        return
    if not found:
        raise OpsError(f"the stack '{stack}' is not running; start it with: ic up --stack {stack}")
    console.print(_table(stack, found, console.width))


def _table(stack: str, found: list[ProcessStatus], width: int) -> Table:
    """Return the table with all columns that fit the screen, always with readiness, whose detail wraps."""
    cells = {
        name: [Text.from_markup(cell_of(row)) for row in found] for name, cell_of in CELL_FORMATS.items()
    }
    footers = _footers(found)
    needed = {
        name: max(len(name), len(footers.get(name, "")), *(cell.cell_len for cell in column))
        for name, column in cells.items()
    }
    shown = fit_columns(needed, width)
    left_out = [name for name in cells if name not in shown]
    table = Table(title=f"stack '{stack}'", title_justify="left", show_footer=True, box=None, pad_edge=False)
    if left_out:
        table.caption = f"no space for: {', '.join(left_out)}; a wider screen or --json shows them"
        table.caption_justify = "left"
    for name in shown:
        table.add_column(
            name,
            footer=footers.get(name, ""),
            justify="right" if name in RIGHT_ALIGNED else "left",
            no_wrap=name != READINESS,
        )
    for row in zip(*(cells[name] for name in shown), strict=True):
        table.add_row(*row)
    return table


def fit_columns(needed: dict[str, int], width: int) -> list[str]:
    """Return the columns, in their order, that fit into `width`: `needed` are their widths in characters."""
    shown = list(needed)
    for name in DROP_ORDER:
        width_left = width - sum(needed[each] + COLUMN_GAP for each in shown if each != READINESS)
        if width_left >= min(needed[READINESS], MIN_READINESS_WIDTH):
            break
        shown.remove(name)
    return shown


def _footers(found: list[ProcessStatus]) -> dict[str, str]:
    unready = sum(not row.ready for row in found)
    return {
        "process": f"{len(found)} processes",
        READINESS: "all ready" if not unready else f"{unready} not ready",
        "restarts": str(sum(row.restarts for row in found)),
        "memory": f"{process_status.total_memory_bytes(found) / MEGABYTE:,.0f} MB",
    }


def _format_readiness(row: ProcessStatus) -> str:
    readiness = "[green]ready[/]" if row.ready else "[red]not ready[/]"
    return f"{readiness} [dim]{escape(printable(row.detail))}[/]" if row.detail else readiness


def _format_ports(row: ProcessStatus) -> str:
    """Return the process's first ports, and the number of the others."""
    shown = [f"[dim]{label}[/] {port}" for label, port in row.ports.items()][:MAX_PORTS_SHOWN]
    more = len(row.ports) - len(shown)
    return " ".join([*shown, *([f"[dim]+ {more}[/]"] if more else [])])


def _format_duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


CELL_FORMATS: Final[dict[str, Callable[[ProcessStatus], str]]] = {
    "process": lambda row: row.name,
    "state": lambda row: f"[{STATE_STYLE.get(row.state, 'red')}]{row.state.lower()}[/]",
    READINESS: _format_readiness,
    "restarts": lambda row: f"[yellow]{row.restarts}[/]" if row.restarts else "0",
    "up for": lambda row: _format_duration(row.uptime_s),
    "memory": lambda row: f"{row.memory_bytes / MEGABYTE:,.0f} MB",
    "pid": lambda row: str(row.pid or "-"),
    "ports": _format_ports,
}

"""`ic dash`: what a system does now, live in the terminal."""

import json
import sys
import time
from dataclasses import asdict
from typing import Annotated, Final

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ops.console import console
from ops.errors import OpsError
from ops.options import DEFAULT_STACK, AsJson, PrometheusUrl, StackName
from ops.overview import WINDOW, ComponentFigures, Overview, QueueFigures, read_overview
from ops.printable import printable
from ops.prometheus import choose_prometheus

SHOWN_BUDGETS: Final = 5
MAX_FAILED_UNMARKED: Final = 0.001
MAX_P99_UNMARKED_S: Final = 0.1
MAX_AGE_UNMARKED_S: Final = 60.0
_MEGABYTE: Final = 1_000_000
_NOTHING: Final = "[dim]-[/]"


def register(app: typer.Typer) -> None:
    """Add `ic dash`."""
    app.command("dash")(dash)


def dash(
    stack: StackName = DEFAULT_STACK,
    *,
    prometheus: PrometheusUrl = "",
    every: Annotated[
        float, typer.Option(help="Seconds between two looks.", metavar="SECONDS", min=0.5, max=3600)
    ] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Show it once; so it is in a pipe, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what each part does now: calls, failures, durations, queues, budgets, alerts. Ctrl-C ends it."""
    url = choose_prometheus(prometheus, stack)
    if as_json:
        print(json.dumps({"prometheus": url, **asdict(read_overview(url))}, indent=2))
    elif once or not sys.stdout.isatty():
        console.print(render_overview(url, read_overview(url)))
    else:
        _show_live(url, every)


def _show_live(url: str, every_s: float) -> None:
    with Live(console=console, screen=True, auto_refresh=False) as live:
        try:
            while True:
                live.update(_look(url), refresh=True)
                time.sleep(every_s)
        except KeyboardInterrupt:
            return


def _look(url: str) -> RenderableType:
    """Return the overview, or why there is none: a Prometheus that restarts is asked again."""
    try:
        return render_overview(url, read_overview(url))
    except OpsError as error:
        return Text(str(error), style="red")


def render_overview(url: str, found: Overview) -> RenderableType:
    """Return the overview as tables."""
    return Group(
        Text.from_markup(f"[bold]{_text(url)}[/], rates over {WINDOW}"),
        Text.from_markup(_gateway_line(found)),
        Text.from_markup(_alert_line(found)),
        "",
        _component_table(found.components),
        "",
        _queue_table(found.queues),
        "",
        Text.from_markup(_budget_line(found)),
    )


def _gateway_line(found: Overview) -> str:
    requests = ", ".join(
        f"{'[red]' if name == '5xx' else ''}{rate:,.1f} {_text(name)}{'[/]' if name == '5xx' else ''}"
        for name, rate in found.requests.items()
    )
    connections = "-" if found.connections is None else f"{found.connections:,.0f}"
    return (
        f"gateway: {requests or 'no request'} /s, p99 {_seconds(found.requests_p99, MAX_P99_UNMARKED_S)}, "
        f"{connections} connections"
    )


def _alert_line(found: Overview) -> str:
    if not found.alerts:
        return "[green]no alert fires[/]"
    return "alerts: " + ", ".join(
        f"[red]{_text(name)}[/] ({_text(severity)})" if severity else f"[red]{_text(name)}[/]"
        for name, severity in found.alerts
    )


def _budget_line(found: Overview) -> str:
    if not found.budgets:
        return "error budgets: not known yet"
    rows = found.budgets[:SHOWN_BUDGETS]
    shown = ", ".join(f"{_text(name)} {_left(left)}" for name, left in rows)
    return f"error budgets, the {len(rows)} with the least left: {shown}; all: ic slo"


def _component_table(rows: tuple[ComponentFigures, ...]) -> Table:
    table = _table("component", "up", "calls/s", "failed", "p50", "p99", "in flight", "memory MB")
    for row in rows:
        up = f"{row.processes}" if not row.down else f"[red]{row.processes} of {row.processes + row.down}[/]"
        table.add_row(
            _text(row.name),
            up,
            _rate(row.calls),
            _share(row.failed),
            _seconds(row.p50),
            _seconds(row.p99, MAX_P99_UNMARKED_S),
            _NOTHING if row.in_flight is None else f"{row.in_flight:,.0f}",
            _NOTHING if row.memory is None else f"{row.memory / _MEGABYTE:,.0f}",
        )
    return table


def _queue_table(rows: tuple[QueueFigures, ...]) -> Table:
    table = _table("queue", "waiting", "events/s", "failed/s", "age p95")
    for row in rows:
        failed = _rate(row.failed)
        table.add_row(
            _text(row.name),
            _NOTHING if row.waiting is None else f"{row.waiting:,.0f}",
            _rate(row.handled),
            f"[yellow]{failed}[/]" if row.failed else failed,
            _seconds(row.age_p95, MAX_AGE_UNMARKED_S),
        )
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _text(name: str) -> str:
    """Return a name as text: without markup, and without characters that move the cursor."""
    return escape(printable(name))


def _rate(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:,.1f}"


def _share(value: float | None) -> str:
    if value is None:
        return _NOTHING
    return f"[red]{value:.2%}[/]" if value > MAX_FAILED_UNMARKED else f"{value:.2%}"


def _seconds(value: float | None, max_unmarked: float | None = None) -> str:
    if value is None:
        return _NOTHING
    text = f"{value * 1_000:,.0f} ms" if value < 1 else f"{value:,.1f} s"
    return f"[yellow]{text}[/]" if max_unmarked is not None and value > max_unmarked else text


def _left(value: float) -> str:
    return f"[red]{value:.1%}[/]" if value <= 0 else f"{value:.1%}"

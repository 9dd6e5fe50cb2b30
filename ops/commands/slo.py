"""`ic slo`: show the rest of each error budget, and how fast it burns."""

import json
from dataclasses import asdict

import typer
from rich.table import Table

from ops.console import console
from ops.options import DEFAULT_STACK, AsJson, PrometheusUrl, StackName
from ops.prometheus import choose_prometheus
from ops.slo.budgets import BudgetStatus, read_budgets

MIN_LEFT_UNMARKED = 0.25


def register(app: typer.Typer) -> None:
    """Add `ic slo`."""
    app.command("slo")(slo)


def slo(
    stack: StackName = DEFAULT_STACK,
    *,
    prometheus: PrometheusUrl = "",
    as_json: AsJson = False,
) -> None:
    """Show the rest of each error budget over 30 days, and how fast it burns now."""
    # Only here: the table is read with the contracts.
    from ops.slo.objectives import load_objectives  # noqa: PLC0415

    window = load_objectives().window
    url = choose_prometheus(prometheus, stack)
    budgets = read_budgets(url, window)
    if as_json:
        rows = [asdict(each) for each in budgets]
        print(json.dumps({"prometheus": url, "window": window, "budgets": rows}, indent=2))
        return
    console.print(_table(url, window, budgets))


def _table(url: str, window: str, budgets: list[BudgetStatus]) -> Table:
    table = Table(title=f"error budgets by {url}", title_justify="left", box=None, pad_edge=False)
    for name in ("objective", "service", "calls"):
        table.add_column(name)
    for name in ("target", f"left of {window}", "burns 1h", "burns 5m", "events 1h"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in budgets:
        table.add_row(row.objective, row.service, row.call_class, f"{row.target:.2%}", *_cells(row))
    return table


def _cells(row: BudgetStatus) -> tuple[str, str, str, str]:
    """Return the figures of a budget, with markup."""
    if not row.is_known:
        return "[yellow]unknown[/]", "-", "-", "-"
    return _left(row.left), _times(row.burn_1h), _times(row.burn_5m), f"{row.events_1h:,.0f}"


def _left(left: float | None) -> str:
    if left is None:
        return "[dim]no events[/]"
    style = "red" if left <= 0 else "yellow" if left < MIN_LEFT_UNMARKED else "green"
    return f"[{style}]{left:.1%}[/]"


def _times(rate: float | None) -> str:
    if rate is None:
        return "-"
    return f"[red]{rate:.1f} x[/]" if rate > 1 else f"{rate:.1f} x"

"""The tables of the objectives and of their alerts in the docs."""

from typing import Final

import yaml

from ops.slo.objectives import BurnAlert, Objective, ObjectiveTable
from ops.slo.rules import render_rules

TABLES_BEGIN: Final = "<!-- objectives: made from ops/slo/objectives.yaml -->"
TABLES_END: Final = "<!-- end of objectives -->"
_EACH: Final = {"calls": "service and class of calls", "service": "service", "all": "one for all"}


def render_objective_tables(table: ObjectiveTable) -> str:
    """Return both tables, with their markers."""
    objectives = [
        f"| objective | promise | of them, in {table.window_days} days | for each |",
        "|---|---|---|---|",
        *map(_objective_row, table.objectives),
    ]
    alerts = ["| alert | when | what it means |", "|---|---|---|"]
    alerts += [_burn_row(alert, table.window_days) for alert in table.burn_alerts]
    alerts += _other_rows(table)
    return "\n".join([TABLES_BEGIN, "", *objectives, "", *alerts, "", TABLES_END])


def insert_objective_tables(page: str, table: ObjectiveTable) -> str:
    """Return the page with the present tables in it."""
    before, _, rest = page.partition(TABLES_BEGIN)
    _, _, after = rest.partition(TABLES_END)
    return f"{before}{render_objective_tables(table)}{after}"


def _objective_row(objective: Objective) -> str:
    share = f"{objective.target * 100:g} %"
    return f"| {objective.name} | {objective.promise} | {share} | {_EACH[objective.each]} |"


def _burn_row(alert: BurnAlert, window_days: int) -> str:
    windows = f"over {alert.long} and {alert.short}"
    when = f"{windows} a budget burns more than {alert.times:g} times as fast as it may"
    lasts = f"it lasts {window_days / alert.times:.2g} days at most"
    return f"| {alert.name} ({alert.severity}) | {when} | {lasts} |"


def _other_rows(table: ObjectiveTable) -> list[str]:
    groups = yaml.safe_load(render_rules(table))["groups"]
    burning = {alert.name for alert in table.burn_alerts}
    rules = [rule for rule in groups[-1]["rules"] if rule["alert"] not in burning]
    return [_other_row(rule) for rule in rules]


def _other_row(rule: dict[str, dict[str, str]]) -> str:
    lasts = f" for {rule['for']}" if "for" in rule else ""
    summary = rule["annotations"]["summary"]
    for label in ("objective", "service", "class"):
        summary = summary.replace(f"{{{{ $labels.{label} }}}}", f"*{label}*")
    return f"| {rule['alert']} ({rule['labels']['severity']}) | `{rule['expr']}`{lasts} | {summary} |"

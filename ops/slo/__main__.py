"""Writes the rules and the tables of the objectives: `python -m ops.slo`."""

from ops.alerts import ALERT_DOCS_PAGE
from ops.slo.docs_tables import insert_objective_tables
from ops.slo.files import SLO_RULES_FILE
from ops.slo.objectives import load_objectives
from ops.slo.rules import render_rules

if __name__ == "__main__":
    table = load_objectives()
    SLO_RULES_FILE.write_text(render_rules(table))
    ALERT_DOCS_PAGE.write_text(insert_objective_tables(ALERT_DOCS_PAGE.read_text(), table))

"""The dashboards: made of the table of panels, whole, and about metrics that there are."""

import json
import re
from itertools import combinations
from typing import Any

import pytest

from tests.unit.ops.test_alerts import declared
from verify.dashboards import panels
from verify.dashboards.build import DASHBOARDS_FOLDER, GRID_WIDTH, render_dashboard
from verify.dashboards.panels import DashboardSpec, list_dashboards

SPECS = {spec.uid: spec for spec in list_dashboards()}
UNITS = {panels.SECONDS, panels.PER_SECOND, panels.SHARE, panels.COUNT, panels.BYTES, panels.TIMES}
OTHERS = re.compile(
    r"up|ALERTS|process_\w+|rabbitmq_\w+|http_request\w+|active_connections|cache_(hits|misses)_total"
)
SUFFIXES = ("_bucket", "_count", "_sum")


def document(uid: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DASHBOARDS_FOLDER / f"{uid}.json").read_text())
    return found


def grafana_panels(uid: str) -> list[dict[str, Any]]:
    return [panel for panel in document(uid)["panels"] if panel["type"] != "row"]


def expressions(spec: DashboardSpec) -> list[str]:
    every = (panel for row in spec.rows.values() for panel in row)
    return [query.expression for panel in every for query in panel.queries]


def metrics_in(expression: str) -> set[str]:
    bare = re.sub(r'\{[^}]*\}|"[^"]*"|\[[^\]]*\]|by \([^)]*\)', "", expression)
    return set(re.findall(r"\b[A-Za-z][\w:]*_?\w*\b(?!\s*\()", bare))


@pytest.mark.parametrize("uid", SPECS)
def test_a_dashboard_is_the_one_of_the_table(uid: str) -> None:
    made = render_dashboard(SPECS[uid])
    assert (DASHBOARDS_FOLDER / f"{uid}.json").read_text() == made, "run: python -m verify.dashboards"


def test_there_is_no_dashboard_of_no_table() -> None:
    assert {path.stem for path in DASHBOARDS_FOLDER.glob("*.json")} == set(SPECS)


@pytest.mark.parametrize("uid", SPECS)
def test_no_two_panels_overlap_and_none_leaves_the_grid(uid: str) -> None:
    places = [panel["gridPos"] for panel in document(uid)["panels"]]
    assert all(place["x"] >= 0 and place["x"] + place["w"] <= GRID_WIDTH for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)


@pytest.mark.parametrize("uid", SPECS)
def test_every_panel_says_what_it_shows_and_in_which_unit(uid: str) -> None:
    assert document(uid)["uid"] == uid
    assert len(uid) <= 40
    for panel in grafana_panels(uid):
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        assert panel["targets"]
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])


@pytest.mark.parametrize("uid", SPECS)
def test_every_metric_is_one_that_there_is(uid: str) -> None:
    known = declared() | {f"{name}{end}" for name in declared() for end in SUFFIXES}
    used = {name for expression in expressions(SPECS[uid]) for name in metrics_in(expression)}
    assert used
    strange = {name for name in used - known if not OTHERS.fullmatch(name) and not name.startswith("slo:")}
    assert strange == set()

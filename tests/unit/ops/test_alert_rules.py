"""Prometheus reads the alerts, and each fires with what it is for and with nothing else."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.alerts import ALERT_DOCS_PAGE, ALERT_RULES_FILE, load_alert_rules
from ops.slo.files import SLO_RULES_FILE
from tests.unit.ops.promtool import needs_prometheus_tools, require_alerts, rule_of, run_tool

CASES: dict[str, dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("alert_cases.yaml").read_text())
ALERTS = {alert.name: alert for alert in load_alert_rules()}


def evaluation_time(series: dict[str, str]) -> str:
    """Return the time of the last sample: samples are 30 s apart."""
    longest = max(len(_samples(values)) for values in series.values())
    return f"{(longest - 1) * 30}s"


def _samples(values: str) -> list[str]:
    """Return a list as long as the series that promtool makes of this."""
    found: list[str] = []
    for word in values.split():
        repeated = re.search(r"x(\d+)$", word)
        found += [word] * (int(repeated[1]) + 1 if repeated else 1)
    return found


def test_every_alert_has_a_case() -> None:
    assert list(CASES) == list(ALERTS)


@needs_prometheus_tools
@pytest.mark.parametrize("rules", [ALERT_RULES_FILE, SLO_RULES_FILE], ids=lambda path: path.name)
def test_prometheus_reads_the_rules(rules: Path) -> None:
    code, output = run_tool("promtool", "check", "rules", "--lint-fatal", str(rules))
    assert code == 0, output


@needs_prometheus_tools
@pytest.mark.parametrize("name", CASES)
def test_an_alert_fires_with_what_it_is_for(name: str, tmp_path: Path) -> None:
    case, rule = CASES[name], rule_of(ALERT_RULES_FILE, name)
    expected = {"exp_labels": case.get("labels", {}) | rule["labels"], "exp_annotations": rule["annotations"]}
    at = evaluation_time(case["fires"])
    require_alerts(ALERT_RULES_FILE, tmp_path, series=case["fires"], alert=name, at=at, expected=[expected])


@needs_prometheus_tools
@pytest.mark.parametrize("name", CASES)
def test_an_alert_keeps_silent_with_what_is_like_it(name: str, tmp_path: Path) -> None:
    series = CASES[name]["silent"]
    at = evaluation_time(series)
    require_alerts(ALERT_RULES_FILE, tmp_path, series=series, alert=name, at=at, expected=[])


def headings() -> set[str]:
    """Return the anchors of the page's headings, as code forges make them."""
    lines = ALERT_DOCS_PAGE.read_text().splitlines()
    words = (line.lstrip("#").strip().lower() for line in lines if line.startswith("##"))
    return {re.sub(r"[^\w -]", "", each).replace(" ", "-") for each in words}


@pytest.mark.parametrize("rules", [ALERT_RULES_FILE, SLO_RULES_FILE], ids=lambda path: path.name)
def test_every_alert_leads_to_a_runbook_that_exists(rules: Path) -> None:
    groups = yaml.safe_load(rules.read_text())["groups"]
    alerts = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    urls = {rule["alert"]: rule["annotations"]["runbook_url"] for rule in alerts}
    missing = {
        name: url
        for name, url in urls.items()
        if url.partition("#")[0] != "docs/operations.md" or url.partition("#")[2] not in headings()
    }
    assert urls
    assert missing == {}


@needs_prometheus_tools
def test_the_metrics_that_others_know_are_made_of_those_that_are_there() -> None:
    cases = Path(__file__).with_name("common_metrics.test.yaml")
    code, output = run_tool("promtool", "test", "rules", str(cases))
    assert code == 0, output

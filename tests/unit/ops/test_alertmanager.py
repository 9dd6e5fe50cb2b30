"""Alertmanager reads its configuration, and each alert comes to those whom its severity names."""

import re
from typing import Any

import pytest
import yaml

from ops.alerts import ALERT_RULES_FILE
from ops.paths import REPO
from ops.slo.files import SLO_RULES_FILE
from tests.unit.ops.promtool import needs_prometheus_tools, run_tool

CONFIG_FILE = REPO / "ops" / "alertmanager.yaml"
CONFIG: dict[str, Any] = yaml.safe_load(CONFIG_FILE.read_text())
RULES = [
    rule
    for path in (ALERT_RULES_FILE, SLO_RULES_FILE)
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
    if "alert" in rule
]
SEVERITIES = {rule["alert"]: rule["labels"]["severity"] for rule in RULES}
RECEIVERS = {each["name"]: each for each in CONFIG["receivers"]}


@needs_prometheus_tools
def test_alertmanager_reads_the_configuration() -> None:
    code, output = run_tool("amtool", "check-config", str(CONFIG_FILE))
    assert code == 0, output
    assert "2 receivers" in output


@needs_prometheus_tools
@pytest.mark.parametrize("severity", ["page", "ticket"])
def test_every_alert_is_routed_by_its_severity(severity: str) -> None:
    for alert in (name for name, found in SEVERITIES.items() if found == severity):
        labels = (f"alertname={alert}", f"severity={severity}")
        code, output = run_tool("amtool", "config", "routes", "test", f"--config.file={CONFIG_FILE}", *labels)
        assert (code, output.splitlines()[0]) == (0, severity), alert


@needs_prometheus_tools
def test_an_alert_without_a_known_severity_still_reaches_somebody() -> None:
    command = ("config", "routes", "test", f"--config.file={CONFIG_FILE}", "alertname=New", "severity=odd")
    code, output = run_tool("amtool", *command)
    assert (code, output.splitlines()[0]) == (0, "ticket")


def test_a_page_calls_and_is_seen_and_a_ticket_is_seen_and_written() -> None:
    assert set(RECEIVERS["page"]) == {"name", "pagerduty_configs", "slack_configs"}
    assert set(RECEIVERS["ticket"]) == {"name", "slack_configs", "email_configs"}


def test_severities_are_those_that_are_routed() -> None:
    assert set(SEVERITIES.values()) == set(RECEIVERS) == {"page", "ticket"}


def test_no_secret_stands_in_the_file() -> None:
    keys = set(re.findall(r"(\w*(?:key|password|api_url|secret)\w*):", CONFIG_FILE.read_text()))
    assert keys
    assert all(key.endswith("_file") for key in keys)


def matching_alerts(matchers: list[str]) -> set[str]:
    found = set(SEVERITIES)
    for matcher in matchers:
        match = re.fullmatch(r'alertname(=~?)"(.+)"', matcher)
        if match:
            found &= {name for name in SEVERITIES if re.fullmatch(match[2], name)}
            words = match[2].split("|")
            unknown = [word for word in words if not any(re.fullmatch(word, name) for name in SEVERITIES)]
            assert unknown == [], f"no alert is called so: {matcher}"
    return found


@pytest.mark.parametrize("rule", CONFIG["inhibit_rules"], ids=lambda rule: rule["target_matchers"][0])
def test_a_cause_silences_alerts_that_exist_and_never_itself(rule: dict[str, Any]) -> None:
    sources, targets = matching_alerts(rule["source_matchers"]), matching_alerts(rule["target_matchers"])
    assert sources
    assert targets
    assert not sources & targets


def test_only_a_page_silences_a_page() -> None:
    for rule in CONFIG["inhibit_rules"]:
        silencing = {SEVERITIES[name] for name in matching_alerts(rule["source_matchers"])}
        silenced = {SEVERITIES[name] for name in matching_alerts(rule["target_matchers"])}
        assert "page" not in silenced or silencing == {"page"}

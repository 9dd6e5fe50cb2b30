"""Runs `promtool` and `amtool` of Debian's packages."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from devstack.toolbox import tools

needs_prometheus_tools = pytest.mark.skipif(
    not tools.has_debian(), reason="promtool and amtool come from packages of Debian"
)


def run_tool(name: str, *arguments: str) -> tuple[int, str]:
    """Return exit code and output."""
    command = [str(tools.prometheus_tools() / name), *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def require_alerts(
    rules: Path,
    folder: Path,
    *,
    series: Mapping[str, str],
    alert: str,
    at: str,
    expected: Sequence[Mapping[str, Any]],
    interval: str = "30s",
    evaluation_interval: str = "30s",
) -> None:
    """Have `promtool` hold that these alerts of one name, and no other, fire `at` with these series."""
    test = {
        "interval": interval,
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": at, "alertname": alert, "exp_alerts": list(expected)}],
    }
    document = {"rule_files": [str(rules)], "evaluation_interval": evaluation_interval, "tests": [test]}
    path = folder / "test.yaml"
    path.write_text(yaml.safe_dump(document))
    code, output = run_tool("promtool", "test", "rules", str(path))
    assert code == 0, output


def rule_of(rules: Path, alert: str) -> dict[str, Any]:
    """Return an alert of a rules file."""
    groups = yaml.safe_load(rules.read_text())["groups"]
    return next(rule for group in groups for rule in group["rules"] if rule.get("alert") == alert)

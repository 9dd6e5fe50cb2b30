"""`ic load` measures a running stack by all tools, and fails when a threshold is broken."""

import csv
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from devstack.toolbox import tools
from tests.integration.load.conftest import LoadedStack
from verify.load.profiles import read_profile

SECONDS = 8
UNHURRIED_P99_MS = 20_000
"""Speed is for a quiet machine; here it counts that everything is answered and counted."""
TOOLS = ("artillery", "jmeter", "grpc")

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(not tools.has_node(), reason="node and npm are not on the PATH"),
    pytest.mark.skipif(not tools.has_debian(), reason="JMeter is installed by apt"),
]


def read_artillery(stack: LoadedStack) -> dict[str, int]:
    """Return the counters of the last run."""
    report: dict[str, Any] = json.loads((stack.folder / "artillery.json").read_text())
    counters: dict[str, int] = report["aggregate"]["counters"]
    return counters


def test_all_tools_keep_the_thresholds_and_their_counts_agree(stack: LoadedStack, tmp_path: Path) -> None:
    page = tmp_path / "load.html"
    run = stack.load("--seconds", str(SECONDS), "--p99-ms", str(UNHURRIED_P99_MS), "--report", str(page))
    assert run.exit_code == 0, run.output
    assert "all thresholds of the profile 'smoke' are kept" in run.output

    counters = read_artillery(stack)
    expected = read_profile("smoke").changed(seconds=SECONDS).sessions
    assert counters["vusers.created"] == pytest.approx(expected, rel=0.25)
    assert counters["vusers.completed"] == counters["vusers.created"]
    assert counters["http.codes.200"] == counters["http.requests"]
    sessions = [counters.get(f"vusers.created_by_name.{name}", 0) for name in ("browse", "apply", "search")]
    assert sum(sessions) == counters["vusers.created"]
    # Of each session's one request: tokens are fetched once.
    assert counters.get("plugins.metrics-by-endpoint.sign in.codes.200", 0) == sessions[1]
    assert counters.get("plugins.metrics-by-endpoint.withdraw.codes.200", 0) == sessions[1]

    with (stack.folder / "jmeter.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    labels = Counter(row["label"] for row in rows)
    assert {row["responseCode"] for row in rows} == {"200"}
    assert labels["submit"] <= labels["view before applying"] <= labels["sign in"]
    assert labels["submit"] > 0
    assert {"list", "view", "company", "suggest", "search", "withdraw"} <= set(labels)

    assert re.search(r"jmeter: [\d,]+ calls, 0 failed", run.output)
    found = re.search(r"grpc: ([\d,]+) calls, 0 failed", run.output)
    assert found is not None, run.output
    per_s = 10 + 5 + 5 + 2
    assert int(found[1].replace(",", "")) == pytest.approx(per_s * SECONDS, rel=0.25)

    shown = page.read_text()
    assert all(f"<h2>{tool}</h2>" in shown for tool in TOOLS)
    assert "All thresholds are kept." in shown


def test_a_broken_threshold_fails_every_tool_and_a_second_run_still_succeeds_otherwise(
    stack: LoadedStack, tmp_path: Path
) -> None:
    page = tmp_path / "load.html"
    run = stack.load("--seconds", "4", "--p99-ms", "0.001", "--report", str(page))
    assert run.exit_code == 1
    for tool in TOOLS:
        assert re.search(rf"broken: {tool}: the p99 .* the threshold p99-ms is 0\.001 ms", run.output)
    assert "3 thresholds of the profile 'smoke' are broken" in run.output
    assert "max-error-percent" not in run.output
    assert "fail: http.response_time.p99 < 0.001" in (stack.folder / "artillery.log").read_text()
    assert page.read_text().count("the threshold p99-ms is 0.001 ms") == len(TOOLS)


def test_a_gateway_that_does_not_answer_is_no_good_run(stack: LoadedStack) -> None:
    run = stack.load("--seconds", "4", "--tool", "jmeter", "--target", "http://127.0.0.1:9")
    assert run.exit_code == 1
    assert re.search(r"broken: jmeter: .* failed, 100 %", run.output)


@pytest.mark.thorough
def test_smoke_passes_under_the_usual_rate_limits_twice(limited_stack: LoadedStack) -> None:
    for _ in range(2):
        run = limited_stack.load("--p99-ms", str(UNHURRIED_P99_MS))
        assert run.exit_code == 0, run.output

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
UNHURRIED = ("--p99-ms", "20000", "--max-error-percent", "20")
"""Thresholds for a busy machine, on which some calls end late; wrong answers are found by their codes."""
LATE_CODES = {"429", "503", "504"}
TOOLS = ("artillery", "jmeter", "grpc")

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(not tools.has_node(), reason="node and npm are not on the PATH"),
    pytest.mark.skipif(not tools.has_debian(), reason="JMeter is installed by apt"),
]


def read_artillery(stack: LoadedStack) -> Counter[str]:
    """Return the counters of the last run."""
    report: dict[str, Any] = json.loads((stack.folder / "artillery.json").read_text())
    return Counter(report["aggregate"]["counters"])


def read_jmeter(stack: LoadedStack) -> list[dict[str, str]]:
    """Return the samples of the last run."""
    with (stack.folder / "jmeter.csv").open(newline="") as lines:
        return list(csv.DictReader(lines))


def list_codes(counters: Counter[str], call: str) -> set[str]:
    """Return the statuses that a call of Artillery's was answered with."""
    prefix = f"plugins.metrics-by-endpoint.{call}.codes."
    return {name.removeprefix(prefix) for name in counters if name.startswith(prefix)}


def test_all_tools_keep_the_thresholds_and_their_counts_agree(stack: LoadedStack, tmp_path: Path) -> None:
    stack.publish(title="研" * 150 + "😀" * 10)
    page = tmp_path / "load.html"
    run = stack.load("--seconds", str(SECONDS), *UNHURRIED, "--report", str(page))
    assert run.exit_code == 0, run.output
    assert "all thresholds of the profile 'smoke' are kept" in run.output
    found = re.search(r"grpc: ([\d,]+) calls", run.output)
    assert found is not None, run.output
    per_s = 10 + 5 + 5 + 2
    assert per_s * SECONDS * 0.4 < int(found[1].replace(",", "")) < per_s * SECONDS * 1.25
    shown = page.read_text()
    assert all(f"<h2>{tool}</h2>" in shown for tool in TOOLS)
    assert "All thresholds are kept." in shown
    _check_artillery(stack)
    _check_jmeter(stack)


def _check_artillery(stack: LoadedStack) -> None:
    counters = read_artillery(stack)
    created = counters["vusers.created"]
    assert created == pytest.approx(read_profile("smoke").changed(seconds=SECONDS).sessions, rel=0.25)
    assert created == counters["vusers.completed"] + counters["vusers.failed"]
    names = [name.removeprefix("http.codes.") for name in counters if name.startswith("http.codes.")]
    assert set(names) <= {"200"} | LATE_CODES
    assert counters["http.codes.200"] > 0.9 * counters["http.requests"]
    sessions = {name: counters[f"vusers.created_by_name.{name}"] for name in ("browse", "apply", "search")}
    assert sum(sessions.values()) == created
    # A session's token is fetched once.
    signed_in = sum(
        counters[f"plugins.metrics-by-endpoint.sign in.codes.{code}"] for code in {"200"} | LATE_CODES
    )
    assert signed_in == sessions["apply"]
    assert list_codes(counters, "submit") <= {"200"} | LATE_CODES


def _check_jmeter(stack: LoadedStack) -> None:
    rows = read_jmeter(stack)
    labels = Counter(row["label"] for row in rows)
    assert {row["responseCode"] for row in rows} <= {"200"} | LATE_CODES
    wrong = [row for row in rows if row["success"] != "true" and row["responseCode"] == "200"]
    assert wrong == []
    assert labels["sign in"] >= labels["view before applying"] >= labels["submit"] > 0
    assert {"list", "view", "suggest", "search"} <= set(labels)


@pytest.mark.thorough
def test_a_broken_threshold_fails_every_tool_and_a_second_run_still_succeeds_otherwise(
    stack: LoadedStack, tmp_path: Path
) -> None:
    page = tmp_path / "load.html"
    run = stack.load("--seconds", "4", *UNHURRIED, "--p99-ms", "0.001", "--report", str(page))
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
        run = limited_stack.load(*UNHURRIED)
        assert run.exit_code == 0, run.output
        assert read_artillery(limited_stack)["http.codes.429"] == 0, run.output

"""New versions of the serving parts in steps: scaling, queries, and when one is taken back."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.slo.files import SLO_RULES_FILE
from ops.slo.objectives import list_indicators, load_objectives
from tests.unit.helm.renders import rendered
from tests.unit.ops.promtool import needs_prometheus_tools, run_tool
from verify.chart.operator_kinds import find_type_errors

CANARY = rendered("canary")
OBJECTIVES = {each.name: each for each in load_objectives().objectives}
FASTEST_BURN = max(alert.times for alert in load_objectives().burn_alerts)


def _analyses() -> dict[str, dict[str, Any]]:
    return {
        each["metadata"]["name"].removeprefix("internshipconnect-"): {
            metric["name"]: metric for metric in each["spec"]["metrics"]
        }
        for each in CANARY.of_kind("AnalysisTemplate")
    }


def _query(metric: dict[str, Any]) -> str:
    return str(metric["provider"]["prometheus"]["query"])


def _most(metric: dict[str, Any]) -> float:
    found = re.search(r"result\[0\] <= (\S+)", metric["successCondition"])
    assert found
    return float(found[1])


def test_every_part_that_is_scaled_by_requests_is_brought_up_in_steps() -> None:
    rollouts = {each["metadata"]["name"] for each in CANARY.of_kind("Rollout")}
    scaled = {
        each["spec"]["scaleTargetRef"]["name"]
        for each in CANARY.of_kind("HorizontalPodAutoscaler")
        if each["spec"]["scaleTargetRef"]["kind"] == "Rollout"
    }
    assert rollouts == scaled
    assert {"internshipconnect-gateway", "internshipconnect-auth-serve"} < rollouts
    assert not any(name.endswith("-work") for name in rollouts)


def test_a_step_lasts_until_its_calls_have_been_looked_at() -> None:
    for rollout in CANARY.of_kind("Rollout"):
        canary = rollout["spec"]["strategy"]["canary"]
        weights = [step["setWeight"] for step in canary["steps"] if "setWeight" in step]
        assert weights == sorted(weights) == [5, 25, 50]
        assert [step["pause"]["duration"] for step in canary["steps"] if "pause" in step] == ["300s"] * 3
        assert (canary["maxUnavailable"], rollout["spec"]["progressDeadlineAbort"]) == (0, True)


@pytest.mark.parametrize(
    ("part", "metric", "objective"),
    [
        ("user-serve", "failed", "availability"),
        ("user-serve", "slow", "latency"),
        ("gateway", "failed", "edge"),
    ],
)
def test_a_version_is_taken_back_at_the_rate_at_which_somebody_is_called(
    part: str, metric: str, objective: str
) -> None:
    found, promised = _analyses()[part][metric], OBJECTIVES[objective]
    assert _most(found) == pytest.approx(FASTEST_BURN * promised.budget)
    assert _query(found).endswith(f">= {promised.min_bad}")


def test_failures_are_those_of_the_objectives() -> None:
    [write] = [
        each
        for each in list_indicators(load_objectives())
        if tuple(each.labels.values()) == ("availability", "user", "write")
    ]
    codes, expected = (
        re.findall(r'grpc_code=~"([^"]+)"', query)
        for query in (_query(_analyses()["user-serve"]["failed"]), write.bad)
    )
    assert set(codes) == set(expected)
    assert len(set(codes)) == 1


def test_only_the_pods_of_the_new_version_are_asked_about() -> None:
    for part, metrics in _analyses().items():
        for metric in metrics.values():
            selectors = re.findall(r"\{([^{}]*(?:\{\{[^}]*\}\}[^{}]*)*)\}\[5m\]", _query(metric))
            pods = f'pod=~"internshipconnect-{part}-{{{{args.version}}}}-.+"'
            assert selectors
            assert all(pods in selector for selector in selectors), _query(metric)


def test_each_metric_is_one_of_those_of_the_objectives() -> None:
    rules = SLO_RULES_FILE.read_text()
    for metrics in _analyses().values():
        for metric in metrics.values():
            for name in re.findall(r"increase\((\w+)\{", _query(metric)):
                assert f"{name}{{" in rules, name


@needs_prometheus_tools
def test_the_queries_are_promql(tmp_path: Path) -> None:
    queries = sorted({_query(metric) for metrics in _analyses().values() for metric in metrics.values()})
    rules = [{"record": f"canary:query{number}", "expr": query} for number, query in enumerate(queries)]
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "canary", "rules": rules}]}))
    code, output = run_tool("promtool", "check", "rules", str(path))
    assert code == 0, output


def test_the_kinds_have_no_field_that_argo_rollouts_does_not_know() -> None:
    assert not list(find_type_errors(CANARY))

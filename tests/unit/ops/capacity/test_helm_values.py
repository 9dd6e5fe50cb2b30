"""Values for the chart."""

from dataclasses import replace
from pathlib import Path
from typing import Final

import yaml

from devstack.toolbox import tools
from ops.capacity.helm_values import render_helm_values
from ops.capacity.plan_options import PlanOptions, read_question
from ops.capacity.planner import CONTROL_PLANE
from tests.unit.helm.renders import case_named
from tests.unit.ops.capacity.plans import committed_tables, planned
from verify.chart.rendering import HELM_RELEASES, parse_release, render_chart

SCALER: Final = "HorizontalPodAutoscaler"


def test_values_are_those_of_one_region() -> None:
    plan = planned()
    values = yaml.safe_load(render_helm_values(plan, committed_tables().workload.sizing))["components"]

    assert set(values) == {each.name for each in plan.components}
    assert values["internship-serve"] == {
        "minReplicas": 5,
        "maxReplicas": 500,
        "cpuPercent": 70,
        "resources": {
            "requests": {"cpu": "1", "memory": "512Mi"},
            "limits": {"cpu": "2", "memory": "2048Mi"},
        },
    }
    assert values["internship-work"]["replicas"] == plan.component("internship-work").pods_per_region
    assert set(values["control-plane"]) == {"replicas", "resources"}
    for each in values.values():
        least, most = each.get("minReplicas", 1), each.get("maxReplicas", 1_000)
        assert least <= each.get("replicas", least) <= most


def test_the_chart_takes_the_values_and_scales_by_them(tmp_path: Path) -> None:
    plan = planned()
    fragment = tmp_path / "plan.yaml"
    fragment.write_text(render_helm_values(plan, committed_tables().workload.sizing))
    planned_values = yaml.safe_load(fragment.read_text())["components"]
    production = case_named("production-us-east")
    case = replace(production, files=(*production.files, str(fragment)))
    release = parse_release(case, render_chart(case, tools.helm(HELM_RELEASES[0])))

    scalers = {each["spec"]["scaleTargetRef"]["name"]: each["spec"] for each in release.of_kind(SCALER)}
    deployments = {each["metadata"]["name"]: each["spec"] for each in release.of_kind("Deployment")}
    for component, values in planned_values.items():
        name = f"internshipconnect-{component}"
        [container] = [
            each for each in deployments[name]["template"]["spec"]["containers"] if each["name"] == component
        ]
        assert container["resources"] == values["resources"], component
        if component == CONTROL_PLANE:
            assert deployments[name]["replicas"] == values["replicas"]
        elif name in scalers:
            bounds = (scalers[name]["minReplicas"], scalers[name]["maxReplicas"])
            assert bounds == (values["minReplicas"], values["maxReplicas"]), component
        else:
            assert deployments[name]["replicas"] == values["replicas"]
        if "cpuPercent" in values:
            cpu = scalers[name]["metrics"][0]["containerResource"]
            assert (cpu["name"], cpu["target"]["averageUtilization"]) == ("cpu", values["cpuPercent"])


def test_the_comment_is_a_command_that_asks_the_same() -> None:
    plan = planned()
    words = render_helm_values(plan, committed_tables().workload.sizing).splitlines()[0].split()
    options = dict(zip(words[5:-1:2], words[6:-1:2], strict=True))
    request, _tables = read_question(PlanOptions(options["--users"], options["--rps"], options["--regions"]))
    assert request == plan.request

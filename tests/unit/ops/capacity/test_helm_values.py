"""Values for the chart."""

import yaml

from ops.capacity.helm_values import render_helm_values
from ops.capacity.plan_options import PlanOptions, read_question
from tests.unit.ops.capacity.plans import committed_tables, planned


def test_values_are_those_of_one_region() -> None:
    plan = planned()
    values = yaml.safe_load(render_helm_values(plan, committed_tables().workload.sizing))["components"]

    assert set(values) == {each.name for each in plan.components}
    internship = plan.component("internship-serve")
    assert values["internship-serve"] == {
        "replicas": internship.pods_per_region,
        "resources": {"requests": {"cpu": "1", "memory": "512Mi"}},
        "autoscaling": {
            "enabled": True,
            "minReplicas": 5,
            "maxReplicas": 500,
            "targetCPUUtilizationPercentage": 70,
        },
    }
    assert values["control-plane"]["autoscaling"] == {"enabled": False}
    for each in values.values():
        if each["autoscaling"]["enabled"]:
            bounds = each["autoscaling"]
            assert bounds["minReplicas"] <= each["replicas"] <= bounds["maxReplicas"]


def test_the_comment_is_a_command_that_asks_the_same() -> None:
    plan = planned()
    words = render_helm_values(plan, committed_tables().workload.sizing).splitlines()[0].split()
    options = dict(zip(words[5:-1:2], words[6:-1:2], strict=True))
    request, _tables = read_question(PlanOptions(options["--users"], options["--rps"], options["--regions"]))
    assert request == plan.request

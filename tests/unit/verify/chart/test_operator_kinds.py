"""Kinds of operators are checked with their own types."""

import copy

import pytest

from devstack.toolbox import tools
from tests.unit.helm.renders import rendered
from verify.chart.operator_kinds import PACKAGES, find_type_errors

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(not tools.has_node(), reason="the compiler needs Node.js"),
]


def test_a_wrong_field_of_an_operators_kind_is_named() -> None:
    release = copy.deepcopy(rendered("keda"))
    first = {kind: next(release.of_kind(kind)) for kind in PACKAGES}
    first["ScaledObject"]["spec"]["minReplica"] = 3
    first["ServiceMonitor"]["spec"]["endpoints"][0]["paths"] = "/metrics"
    first["PrometheusRule"]["spec"]["groups"][0]["rules"][0].pop("expr")
    first["ExternalSecret"]["spec"]["refreshInterval"] = 3
    problems = sorted(find_type_errors(release))

    assert len(problems) == len(PACKAGES)
    for problem, (kind, word) in zip(
        problems,
        (
            ("ExternalSecret", "number"),
            ("PrometheusRule", "expr"),
            ("ScaledObject", "minReplica"),
            ("ServiceMonitor", "paths"),
        ),
        strict=True,
    ):
        assert problem.startswith(f"{kind}/")
        assert word in problem

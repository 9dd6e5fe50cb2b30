"""Kinds of operators are checked with their own types."""

import copy

import pytest

from devstack.toolbox import tools
from tests.unit.helm.renders import rendered
from verify.chart.manifests import ChartRelease, Manifest
from verify.chart.operator_kinds import PACKAGES, find_type_errors

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(not tools.has_node(), reason="the compiler needs Node.js"),
]


OF_ISTIO = [kind for kind, package in PACKAGES.items() if package == "istio"]


def of_gateway_api() -> list[Manifest]:
    return list(rendered("gateway-api").of_kind("HTTPRoute"))


def test_a_wrong_field_of_an_operators_kind_is_named() -> None:
    release = ChartRelease(
        copy.deepcopy([*rendered("keda").manifests, *rendered("istio").of_kind(*OF_ISTIO), *of_gateway_api()])
    )
    first = {kind: next(release.of_kind(kind)) for kind in PACKAGES}
    first["ScaledObject"]["spec"]["minReplica"] = 3
    first["ServiceMonitor"]["spec"]["endpoints"][0]["paths"] = "/metrics"
    first["PrometheusRule"]["spec"]["groups"][0]["rules"][0].pop("expr")
    first["ExternalSecret"]["spec"]["refreshInterval"] = 3
    first["PeerAuthentication"]["spec"]["mtl"] = {"mode": "STRICT"}
    first["AuthorizationPolicy"]["spec"]["action"] = "PERMIT"
    first["Sidecar"]["spec"]["egress"][0]["host"] = "*"
    first["DestinationRule"]["spec"]["trafficPolicy"]["tls"]["modus"] = "SIMPLE"
    first["VirtualService"]["spec"]["http"][0]["timeOut"] = "1s"
    first["Gateway"]["spec"]["servers"][0]["tls"]["cipher"] = "x"
    first["HTTPRoute"]["spec"]["rules"][0]["backendRefs"][0]["weights"] = 3
    first["Certificate"]["spec"]["dnsName"] = "x"
    problems = sorted(find_type_errors(release))

    assert len(problems) == len(PACKAGES)
    for problem, (kind, word) in zip(
        problems,
        (
            ("AuthorizationPolicy", "PERMIT"),
            ("Certificate", "dnsName"),
            ("DestinationRule", "modus"),
            ("ExternalSecret", "number"),
            ("Gateway", "cipher"),
            ("HTTPRoute", "weights"),
            ("PeerAuthentication", "mtl"),
            ("PrometheusRule", "expr"),
            ("ScaledObject", "minReplica"),
            ("ServiceMonitor", "paths"),
            ("Sidecar", "host"),
            ("VirtualService", "timeOut"),
        ),
        strict=True,
    ):
        assert problem.startswith(f"{kind}/")
        assert word in problem

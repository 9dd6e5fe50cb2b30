"""Wrong values end in one clear error that names the value."""

import pytest

from devstack.toolbox import tools
from ops.errors import OpsError
from tests.unit.helm.renders import case_named
from verify.chart.rendering import CHART, HELM_RELEASES, NAMESPACE, RenderCase, render_chart, run_helm

SCHEMA_ERRORS = [
    ("replicaCount=3", ["replicaCount"]),
    ("gateway.concurency=3", ["gateway", "concurency"]),
    ("gateway.concurrency=many", ["gateway", "concurrency", "integer"]),
    ("components.auth-serve.minRepicas=3", ["components", "auth-serve", "minRepicas"]),
    ("components.auth-serve.replicas=3", ["components", "auth-serve", "replicas"]),
    ("settings.auth.IC_KEY_ROTATION=3", ["settings", "auth", "IC_KEY_ROTATION"]),
    ("stores.shards.s1=mongodb://admin:secret@mongo:27017", ["stores", "shards", "s1"]),
    ("image.digest=latest", ["image", "digest"]),
    ("defaults.resources.limits.cpu=lots", ["defaults", "resources", "limits", "cpu"]),
    ("smtp.port=70000", ["smtp", "port"]),
    ("mesh.endpoints=consul", ["mesh", "endpoints"]),
    ("mesh.subsets.max_endpoints=5", ["mesh", "subsets", "max_endpoints", "10"]),
    ("mesh.istio.ingressPrincipal=ingress", ["mesh", "istio", "ingressPrincipal"]),
    ("gatewayApi.canary.weight=101", ["gatewayApi", "canary", "weight", "100"]),
    ("gateway.certificate.issuerKind=Vault", ["gateway", "certificate", "issuerKind"]),
    ("canary.weights={100}", ["canary", "weights", "99"]),
    ("canary.pauseSeconds=1", ["canary", "pauseSeconds", "60"]),
    ("backup.keep=0", ["backup", "keep", "1"]),
    ("backup.schedule=nightly", ["backup", "schedule"]),
    ("jobs.Grow={shards,rebalance}", ["jobs", "Grow"]),
    ("jobs.grow=rebalance", ["jobs", "grow", "array"]),
    ("workers.scaler=both", ["workers", "scaler"]),
]
MISFITS = [
    ("secrets.source=", ["secrets.source: say where the secrets come from"]),
    ("serving.minReplicas=5", ["serving.minReplicas: 5 is more than serving.maxReplicas, 2"]),
    (
        "components.gateway.minReplicas=9",
        ["components.gateway.minReplicas: 9 is more than its"],
    ),
    ("publicUrl=", ["publicUrl: "]),
    ("bundledStores.enabled=false", ["stores.shards: ", "stores.redis: ", "smtp.host: "]),
    ("requireDigests=true", ["image.digest: ", "envoyImage.digest: "]),
    ("secrets.source=externalSecrets", ["secrets.externalSecrets.storeName: ", "external-secrets.io/v1"]),
    (
        "mesh.istio.enabled=true",
        ["mesh.istio.enabled: needs Istio", "mesh.istio.credentialName: name the Secret"],
    ),
    (
        "gatewayApi.enabled=true",
        [
            "gatewayApi.enabled: this cluster does not know",
            "gatewayApi.className: ",
            "gatewayApi.certificate: ",
        ],
    ),
    (
        "gateway.certificate.issuer=letsencrypt",
        ["gateway.tlsSecret: name the Secret", "gateway.certificate.issuer: needs cert-manager"],
    ),
    ("workers.scaler=keda", ["workers.scaler: `keda` needs KEDA"]),
    ("mesh.mutualTls.enabled=true", ["mesh.mutualTls.enabled: needs cert-manager"]),
    (
        "mesh.mutualTls.enabled=true,mesh.istio.enabled=true,mesh.istio.credentialName=x",
        ["mesh.mutualTls.enabled: Istio does it", "mesh.mutualTls.enabled: needs cert-manager"],
    ),
    ("canary.enabled=true", ["canary.enabled: needs Argo Rollouts", "canary.prometheus: name the"]),
    (
        "provision.enabled=false,backup.enabled=true,jobs.grow={shards,rebalance}",
        ["jobs: their pods are those", "backup.enabled: its pods are those"],
    ),
]


@pytest.mark.parametrize("helm", HELM_RELEASES)
@pytest.mark.parametrize(("value", "words"), SCHEMA_ERRORS, ids=[value for value, _ in SCHEMA_ERRORS])
def test_a_value_that_the_schema_refuses_is_named(helm: str, value: str, words: list[str]) -> None:
    error = refusal(value, helm)

    assert len([line for line in error.splitlines() if line.startswith("- ")]) == 1
    for word in words:
        assert word in error


@pytest.mark.parametrize(("value", "words"), MISFITS, ids=[value for value, _ in MISFITS])
def test_values_that_do_not_fit_together_are_named_all_at_once(value: str, words: list[str]) -> None:
    error = refusal(value, HELM_RELEASES[0])

    assert "these values do not fit together" in error
    for word in words:
        assert word in error


def refusal(value: str, helm: str) -> str:
    trial = case_named("trial")
    case = RenderCase("wrong", trial.files, (value,))
    with pytest.raises(OpsError) as caught:
        render_chart(case, tools.helm(helm))
    return str(caught.value)


def test_without_values_everything_that_is_missing_is_named() -> None:
    with pytest.raises(OpsError) as caught:
        run_helm(tools.helm(HELM_RELEASES[0]), ["template", "ic", str(CHART), "--namespace", NAMESPACE])

    for path in ("secrets.source", "publicUrl", "stores.shards", "stores.redis", "smtp.host"):
        assert f"{path}: " in str(caught.value)

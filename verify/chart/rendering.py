"""The values that the chart is rendered with, and Helm that renders it."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from devstack.toolbox import tools
from ops.errors import OpsError
from ops.paths import REPO
from verify.chart.manifests import ChartRelease, Manifest, read_manifests

CHART: Final = REPO / "helm" / "internshipconnect"
RENDERS: Final = REPO / "helm" / "renders"
HELM_RELEASES: Final = ("helm-4", "helm-3")
REGIONS: Final = ("eu-central", "us-east", "ap-southeast")
NAMESPACE: Final = "internships"
MAX_RELEASE_NAME_CHARS: Final = 53
SAMPLE_DIGEST: Final = "sha256:" + 64 * "0"
OPERATOR_KINDS: Final = (
    "external-secrets.io/v1/ExternalSecret",
    "keda.sh/v1alpha1/ScaledObject",
    "monitoring.coreos.com/v1/ServiceMonitor",
    "monitoring.coreos.com/v1/PrometheusRule",
    "security.istio.io/v1/AuthorizationPolicy",
    "gateway.networking.k8s.io/v1/HTTPRoute",
    "cert-manager.io/v1/Certificate",
    "argoproj.io/v1alpha1/Rollout",
)
_SYMBOLIC_LINK_NOTICE: Final = "found symbolic link in path"


@dataclass(frozen=True)
class RenderCase:
    """One installation: value files in the chart, single values, and whether the cluster has all operators.

    The case with `is_committed` is compared with the render in the repository.
    """

    name: str
    files: tuple[str, ...]
    values: tuple[str, ...] = ()
    release: str = "internshipconnect"
    has_operators: bool = False
    is_committed: bool = False


def _production(name: str, region: str, *values: str, is_committed: bool = False) -> RenderCase:
    digests = (f"image.digest={SAMPLE_DIGEST}", f"envoyImage.digest={SAMPLE_DIGEST}")
    return RenderCase(
        name,
        ("values-production.yaml", f"values-{region}.yaml"),
        (*digests, *values),
        has_operators=True,
        is_committed=is_committed,
    )


RENDER_CASES: Final = (
    RenderCase("trial", ("values-trial.yaml",), is_committed=True),
    *(_production(f"production-{region}", region, is_committed=region == REGIONS[0]) for region in REGIONS),
    _production(
        "keda",
        REGIONS[0],
        "workers.scaler=keda",
        "monitoring.dashboards.enabled=true",
        "gateway.certificate.issuer=letsencrypt",
        "backup.enabled=true",
        "jobs.grow={shards,rebalance}",
    ),
    _production(
        "istio",
        REGIONS[0],
        "mesh.istio.enabled=true",
        "mesh.istio.credentialName=internshipconnect-ingress-tls",
        "gateway.tlsSecret=",
        "gateway.service.type=ClusterIP",
        "gateway.service.port=80",
    ),
    _production(
        "gateway-api",
        REGIONS[0],
        "mesh.istio.enabled=true",
        "gateway.tlsSecret=",
        "gateway.service.type=ClusterIP",
        "gatewayApi.enabled=true",
        "gatewayApi.className=istio",
        "gatewayApi.certificate=internshipconnect-ingress-tls",
        "gatewayApi.canary.weight=10",
        "gatewayApi.canary.service=internshipconnect-canary",
    ),
    _production("mutual-tls", REGIONS[0], "mesh.mutualTls.enabled=true"),
    _production(
        "canary",
        REGIONS[0],
        "canary.enabled=true",
        "canary.prometheus=http://prometheus.monitoring:9090",
    ),
    RenderCase(
        "longest-name", ("values-trial.yaml",), ("fullnameOverride=",), release="r" * MAX_RELEASE_NAME_CHARS
    ),
    RenderCase(
        "umbrella",
        ("values-trial.yaml",),
        ("global.company=example", "enabled=true", "networkPolicy.enabled=false", "monitoring.enabled=false"),
        has_operators=True,
    ),
)


def render_chart(case: RenderCase, helm: Path, kubernetes: str = "1.37.0") -> str:
    """Return what Helm prints. Raises OpsError with Helm's own words."""
    command = [
        *("template", case.release, str(CHART), "--namespace", NAMESPACE, "--kube-version", kubernetes),
        *value_options(case),
    ]
    if case.has_operators:
        command += [f"--api-versions={kind}" for kind in OPERATOR_KINDS]
    return run_helm(helm, command)


def value_options(case: RenderCase) -> list[str]:
    """Return Helm's options for the values of a case."""
    files = [f"--values={CHART / name}" for name in case.files]
    return [*files, *(f"--set={value}" for value in case.values)]


def run_helm(helm: Path, arguments: Sequence[str]) -> str:
    """Run Helm without the settings of the user's own clusters. Raises OpsError when it fails."""
    home = str(tools.TOOLS_FOLDER / "helm-home")
    environment = {"PATH": "/usr/bin:/bin", "HOME": home, "KUBECONFIG": "/dev/null"}
    done = subprocess.run(
        [str(helm), *arguments], check=False, capture_output=True, text=True, env=environment, cwd=REPO
    )
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line and _SYMBOLIC_LINK_NOTICE not in line]
        raise OpsError("\n".join(lines))
    return done.stdout


def parse_release(case: RenderCase, text: str) -> ChartRelease:
    """Return the release, with the Secrets that its values leave to others."""
    manifests = read_manifests(text)
    return ChartRelease(manifests, external_secrets(manifests, case))


def external_secrets(manifests: Sequence[Manifest], case: RenderCase) -> frozenset[str]:
    """Return the names of the Secrets that have to exist before this installation."""
    values = merged_values(case)
    made_by_others = {values["gateway"]["tlsSecret"], values["stores"]["tls"]["secret"]} - {""}
    if values["secrets"]["source"] == "existing":
        component = "app.kubernetes.io/component"
        names = {
            document["metadata"]["name"].removesuffix(f"-{document['metadata']['labels'][component]}")
            for document in manifests
            if document["kind"] == "Deployment"
        }
        made_by_others |= {f"{name}-{secret}" for name in names for secret in secret_names()}
    return frozenset(made_by_others)


def secret_names() -> list[str]:
    """Return the components that have a Secret of their own."""
    services = yaml.safe_load((CHART / "files" / "components.yaml").read_text())["services"]
    return [*services, "rate-limiter", "provision", "stores"]


def merged_values(case: RenderCase) -> dict[str, Any]:
    """Return the values of the files of a case, later ones over earlier ones."""
    merged: dict[str, Any] = {}
    for name in ("values.yaml", *case.files):
        _merge(merged, yaml.safe_load((CHART / name).read_text()))
    return merged


def _merge(target: dict[str, Any], source: dict[str, Any]) -> None:
    for key, value in source.items():
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = value

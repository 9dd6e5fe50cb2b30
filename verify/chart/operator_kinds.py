"""Kinds of operators, checked as TypeScript: a field that a kind does not have is an error there."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from devstack.toolbox import tools
from verify.chart.manifests import ChartRelease, Manifest, describe

PACKAGES: Final = {
    "ExternalSecret": "external-secrets",
    "ScaledObject": "keda",
    "ServiceMonitor": "prometheus-operator",
    "PrometheusRule": "prometheus-operator",
    "PeerAuthentication": "istio",
    "AuthorizationPolicy": "istio",
    "Sidecar": "istio",
    "DestinationRule": "istio",
    "VirtualService": "istio",
    "Gateway": "istio",
    "HTTPRoute": "gateway-api",
    "Certificate": "cert-manager",
    "Issuer": "cert-manager",
    "Rollout": "argo-rollouts",
    "AnalysisTemplate": "argo-rollouts",
}
"""The npm package with the types of each kind, which Kubernetes has no schema for."""
PACKAGE_OF_GROUP: Final = {"gateway.networking.k8s.io": "gateway-api"}
"""The package of a group with a kind whose name another group has, too."""
_COMPILER_OPTIONS: Final = {
    "noEmit": True,
    "strict": True,
    "skipLibCheck": True,
    "module": "esnext",
    "target": "es2022",
    "moduleResolution": "bundler",
    "types": [],
}


def find_type_errors(release: ChartRelease) -> Iterator[str]:
    """Return every error of the manifests of operators' kinds. Raises OpsError without Node."""
    manifests = list(release.of_kind(*PACKAGES))
    if not manifests:
        return
    with tempfile.TemporaryDirectory(prefix="ic-operator-kinds-") as scratch:
        folder = Path(scratch)
        (folder / "node_modules").symlink_to(tools.operator_kinds())
        (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": _COMPILER_OPTIONS}))
        for number, manifest in enumerate(manifests):
            (folder / f"m{number}.ts").write_text(_to_typescript(manifest))
        done = subprocess.run(
            [str(tools.node_tool("tsc")), "--pretty", "false", "-p", str(folder)],
            check=False,
            capture_output=True,
            text=True,
            cwd=folder,
        )
    for line in done.stdout.splitlines():
        file, _, problem = line.partition("(")
        if file.startswith("m") and file.endswith(".ts"):
            name = describe(manifests[int(file.removeprefix("m").removesuffix(".ts"))])
            yield f"{name}: {problem.partition(': ')[2]}"
        elif not line.startswith(" "):
            yield line


def _to_typescript(manifest: Manifest) -> str:
    kind, group = manifest["kind"], manifest["apiVersion"].partition("/")[0]
    package = PACKAGE_OF_GROUP.get(group, PACKAGES[kind])
    place = f"@kubernetes-models/{package}/{manifest['apiVersion']}/{kind}"
    return f'import type {{ I{kind} }} from "{place}";\nexport const it: I{kind} = {json.dumps(manifest)};\n'

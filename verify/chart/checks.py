"""The checks of the chart, each by name; the short ones are enough for every change."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from devstack.toolbox import tools
from gateway.envoy.bootstrap import EnvoyNode, build_bootstrap
from gateway.xds.mesh import MeshTls
from gateway.xds.mutual_tls import render_mesh_secrets
from ops.errors import OpsError
from verify.chart.manifests import ChartRelease, describe
from verify.chart.operator_kinds import find_type_errors
from verify.chart.rendering import (
    CHART,
    HELM_RELEASES,
    RENDER_CASES,
    RENDERS,
    RenderCase,
    parse_release,
    render_chart,
    run_helm,
    value_options,
)
from verify.chart.rpc_callers import render_rpc_callers
from verify.chart.rules.all_rules import find_chart_violations
from verify.chart.rules.fields import find_images_without_digest
from verify.chart.schemas import KUBERNETES_VERSIONS, SHORT_VERSIONS, find_schema_errors

BOOTSTRAP_FILE: Final = CHART / "files" / "envoy-bootstrap.json"
SECURE_BOOTSTRAP_FILE: Final = CHART / "files" / "envoy-bootstrap-tls.json"
MESH_SECRETS_FILE: Final = CHART / "files" / "mesh-secrets.json"
RPC_CALLERS_FILE: Final = CHART / "files" / "rpc-callers.yaml"
_REGION, _CONTROL_PLANE = "@region@", "@control-plane@"
_CONFIG_FOLDER: Final = Path("/etc/internshipconnect/config")
_MESH_TLS_FOLDER: Final = Path("/etc/internshipconnect/mesh-tls")
_ADMIN_ADDRESS: Final = ("127.0.0.1", 9901)


@dataclass(frozen=True)
class ChartCheck:
    """A check by name; it returns its problems."""

    name: str
    find_problems: Callable[[], Iterator[str]]


def list_checks(*, is_short: bool) -> list[ChartCheck]:
    """Return the checks: the short ones with the newest Helm and few versions of Kubernetes."""
    releases = HELM_RELEASES[:1] if is_short else HELM_RELEASES
    versions = SHORT_VERSIONS if is_short else KUBERNETES_VERSIONS
    return [
        ChartCheck("generated files", _check_generated_files),
        *(
            ChartCheck(f"{release} lint {case.name}", lambda r=release, c=case: _lint(r, c))  # type: ignore[misc]
            for release in releases
            for case in RENDER_CASES
            if not is_short or case.is_committed
        ),
        *(
            ChartCheck(f"rules {case.name}", lambda c=case: _check_rules(c))  # type: ignore[misc]
            for case in RENDER_CASES
        ),
        *(
            ChartCheck(f"kubernetes {version}", lambda v=version: _check_schemas(v))  # type: ignore[misc]
            for version in versions
        ),
        ChartCheck("committed renders", _compare_renders),
        *([] if is_short else [ChartCheck("kinds of operators", _check_operator_kinds)]),
        *([] if is_short else [ChartCheck("helm-3 renders the same", _compare_helms)]),
    ]


def write_generated_files() -> None:
    """Write Envoy's bootstrap into the chart, and the renders that are committed."""
    for file, content in _generated_files().items():
        file.write_text(content)
    _release.cache_clear()
    RENDERS.mkdir(exist_ok=True)
    for case in RENDER_CASES:
        if case.is_committed:
            (RENDERS / f"{case.name}.yaml").write_text(format_release(_release(HELM_RELEASES[0], case)))


def _generated_files() -> dict[Path, str]:
    return {
        BOOTSTRAP_FILE: render_bootstrap(),
        SECURE_BOOTSTRAP_FILE: render_bootstrap(_CONFIG_FOLDER),
        MESH_SECRETS_FILE: json.dumps(render_mesh_secrets(MeshTls(folder=_MESH_TLS_FOLDER)), indent=2) + "\n",
        RPC_CALLERS_FILE: render_rpc_callers(),
    }


def render_bootstrap(mesh_secrets: Path | None = None) -> str:
    """Return Envoy's bootstrap with places for the region and the control plane's host."""
    components = yaml.safe_load((CHART / "files" / "components.yaml").read_text())["others"]
    node = EnvoyNode(
        id="gateway",
        region=_REGION,
        admin=_ADMIN_ADDRESS,
        control_plane=(_CONTROL_PLANE, components["control-plane"]["ports"]["grpc"]),
        ops=("0.0.0.0", components["gateway"]["ports"]["ops"]),  # noqa: S104
        mesh_secrets=mesh_secrets,
    )
    return json.dumps(build_bootstrap(node), indent=2) + "\n"


def format_release(release: ChartRelease) -> str:
    """Return the manifests in an order and a form that do not depend on Helm's version."""
    ordered = sorted(release.manifests, key=describe)
    return yaml.safe_dump_all(ordered, sort_keys=True, width=110, explicit_start=True)


@cache
def _release(helm: str, case: RenderCase) -> ChartRelease:
    return parse_release(case, render_chart(case, tools.helm(helm)))


def _check_generated_files() -> Iterator[str]:
    for file, content in _generated_files().items():
        if not file.exists() or file.read_text() != content:
            yield f"{file.name} is not what code and contracts say: ic chart --write"


def _lint(helm: str, case: RenderCase) -> Iterator[str]:
    try:
        run_helm(tools.helm(helm), ["lint", str(CHART), "--strict", "--quiet", *value_options(case)])
    except OpsError as error:
        yield str(error)


def _check_rules(case: RenderCase) -> Iterator[str]:
    release = _release(HELM_RELEASES[0], case)
    yield from find_chart_violations(release)
    if any(file == "values-production.yaml" for file in case.files):
        yield from find_images_without_digest(release)


def _check_schemas(version: str) -> Iterator[str]:
    for case in RENDER_CASES:
        for problem in find_schema_errors(_release(HELM_RELEASES[0], case), version):
            yield f"{case.name}: {problem}"


def _check_operator_kinds() -> Iterator[str]:
    for case in RENDER_CASES:
        for problem in find_type_errors(_release(HELM_RELEASES[0], case)):
            yield f"{case.name}: {problem}"


def _compare_renders() -> Iterator[str]:
    for case in RENDER_CASES:
        if case.is_committed:
            path = RENDERS / f"{case.name}.yaml"
            written = _by_name(ChartRelease.parse(path.read_text())) if path.exists() else {}
            rendered = _by_name(_release(HELM_RELEASES[0], case))
            changed = sorted(
                name for name in written.keys() | rendered.keys() if written.get(name) != rendered.get(name)
            )
            if changed:
                yield f"{path.name} is out of date, run ic chart --write: {', '.join(changed)}"


def _compare_helms() -> Iterator[str]:
    for case in RENDER_CASES:
        first, second = (_by_name(_release(helm, case)) for helm in HELM_RELEASES)
        if first != second:
            yield f"{case.name}: {HELM_RELEASES[0]} and {HELM_RELEASES[1]} render it differently"


def _by_name(release: ChartRelease) -> dict[str, Any]:
    return {describe(manifest): manifest for manifest in release.manifests}

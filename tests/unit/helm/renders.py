"""Rendered releases, each once in a test run."""

from functools import cache
from typing import Any

from devstack.toolbox import tools
from verify.chart.manifests import ChartRelease
from verify.chart.rendering import HELM_RELEASES, RENDER_CASES, RenderCase, parse_release, render_chart


def case_named(name: str) -> RenderCase:
    return next(case for case in RENDER_CASES if case.name == name)


@cache
def rendered(name: str) -> ChartRelease:
    case = case_named(name)
    return parse_release(case, render_chart(case, tools.helm(HELM_RELEASES[0])))


def data_of(release: ChartRelease, config_map: str) -> dict[str, str]:
    """Return the files of the ConfigMap whose name ends so."""
    found: dict[str, str] = next(
        each["data"]
        for each in release.of_kind("ConfigMap")
        if each["metadata"]["name"].endswith(f"-{config_map}")
    )
    return found


def python_containers(release: ChartRelease) -> list[tuple[Any, Any]]:
    """Return pod template and container of each Python process."""
    return [
        (template, container)
        for template in release.pod_templates()
        for container in template.containers
        if container.get("command", [])[:2] == ["python", "-m"]
    ]

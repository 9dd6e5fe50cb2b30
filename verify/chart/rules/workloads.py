"""Rules about pods and their number: rollouts, ends, probes, disruption, scaling and rights."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from chassis.process import STOP_GRACE_S
from verify.chart.manifests import ChartRelease, PodTemplate, describe

END_MARGIN_S: Final = 10
OPS_PORT: Final = "ops"
PROBES: Final = {"startupProbe": "/health", "livenessProbe": "/health", "readinessProbe": "/ready"}
PROBE_FIGURES: Final = {"livenessProbe": (30, 10, 5, 3), "readinessProbe": (10, 5, 3, 2)}
"""initialDelaySeconds, periodSeconds, timeoutSeconds and failureThreshold."""
_FIGURE_FIELDS: Final = ("initialDelaySeconds", "periodSeconds", "timeoutSeconds", "failureThreshold")
DRAINED_SIZES: Final = (1, 2, 100)


def find_replicas_beside_scalers(release: ChartRelease) -> Iterator[str]:
    """Find `replicas` beside an autoscaler, to which upgrades fall back, and two scalers of one target."""
    scaled: dict[str, str] = {}
    for scaler in release.of_kind("HorizontalPodAutoscaler", "ScaledObject"):
        target = scaler["spec"]["scaleTargetRef"]["name"]
        if target in scaled:
            yield f"{describe(scaler)}: {scaled[target]} scales {target}, too"
        scaled[target] = describe(scaler)
    for deployment in release.of_kind("Deployment"):
        has_replicas = "replicas" in deployment["spec"]
        if has_replicas and deployment["metadata"]["name"] in scaled:
            yield f"{describe(deployment)}: has `replicas` beside {scaled[deployment['metadata']['name']]}"
        if not has_replicas and deployment["metadata"]["name"] not in scaled:
            yield f"{describe(deployment)}: has neither `replicas` nor an autoscaler"


def find_bad_ranges(release: ChartRelease) -> Iterator[str]:
    """Find autoscalers with a minimum below one pod or above their maximum."""
    for scaler in release.of_kind("HorizontalPodAutoscaler", "ScaledObject"):
        spec, suffix = scaler["spec"], "Count" if scaler["kind"] == "ScaledObject" else "s"
        low, high = spec[f"minReplica{suffix}"], spec[f"maxReplica{suffix}"]
        if not 1 <= low <= high:
            yield f"{describe(scaler)}: between {low} and {high} pods is nothing"


def find_short_graces(release: ChartRelease) -> Iterator[str]:
    """Find pods whose SIGKILL comes before the wait, the process's own end and ten seconds more."""
    for template in _components(release):
        grace = template.spec.get("terminationGracePeriodSeconds", 30)
        for container in template.containers:
            needed = _pre_stop_s(container) + (0 if _is_envoy(container) else STOP_GRACE_S) + END_MARGIN_S
            if grace < needed:
                yield f"{template}: ends after {grace} s, and needs {needed:g} s"


def find_missing_waits(release: ChartRelease) -> Iterator[str]:
    """Find pods that answer calls and end before their callers have stopped looking for them."""
    for template in _components(release):
        is_called = template.container_ports().keys() - {OPS_PORT}
        if is_called and not any(map(_pre_stop_s, template.containers)):
            yield f"{template}: is called, and ends without waiting for its callers"


def find_missing_probes(release: ChartRelease) -> Iterator[str]:
    """Find containers without the three probes on the ops port, or with other figures than agreed."""
    for template in _components(release):
        for container in template.containers:
            for probe, path in PROBES.items():
                found = container.get(probe, {})
                if found.get("httpGet") != {"path": path, "port": OPS_PORT}:
                    yield f"{template}: {container['name']}: {probe} is not {path} on the port {OPS_PORT}"
                figures = tuple(found.get(field) for field in _FIGURE_FIELDS)
                if figures != PROBE_FIGURES.get(probe, figures):
                    yield f"{template}: {container['name']}: {probe} has the figures {figures}"


def find_blocked_drains(release: ChartRelease) -> Iterator[str]:
    """Find budgets that keep a node from being drained, and components without a budget."""
    guarded: set[str] = set()
    for budget in release.of_kind("PodDisruptionBudget"):
        pods = release.pods_selected(budget["spec"]["selector"]["matchLabels"])
        guarded |= {each.name for each in pods}
        for size in DRAINED_SIZES:
            if _disruptions_allowed(budget["spec"], size) < 1:
                yield f"{describe(budget)}: no node with one of {size} pods can be drained"
    for template in _components(release):
        if template.name not in guarded:
            yield f"{template}: has no PodDisruptionBudget"


def find_bad_rollouts(release: ChartRelease) -> Iterator[str]:
    """Find Deployments that do not roll with a quarter more pods at most, and none less."""
    wanted = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}}
    for deployment in release.of_kind("Deployment"):
        if deployment["spec"].get("strategy") != wanted:
            yield f"{describe(deployment)}: does not roll with a surge of 25 % and none unavailable"


def find_crowded_pods(release: ChartRelease) -> Iterator[str]:
    """Find components whose pods are not spread over zones and nodes."""
    for template in _components(release):
        spread = {each["topologyKey"] for each in template.spec.get("topologySpreadConstraints", ())}
        if spread != {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}:
            yield f"{template}: is not spread over zones and nodes"


def find_excess_rights(release: ChartRelease) -> Iterator[str]:
    """Find pods that may run as root, write their root file system, or have capabilities or a token."""
    for template in release.pod_templates():
        pod = template.spec.get("securityContext", {})
        if not pod.get("runAsNonRoot") or not pod.get("runAsUser"):
            yield f"{template}: may run as root"
        if pod.get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{template}: has no seccomp profile RuntimeDefault"
        if template.spec.get("automountServiceAccountToken") is not False:
            yield f"{template}: gets a token of the API"
        if template.spec.get("enableServiceLinks") is not False:
            yield f"{template}: gets variables of all Services, which may look like settings"
        for container in template.containers:
            if container.get("securityContext") != {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }:
                yield f"{template}: {container['name']}: is not confined"


def find_unrolled_configuration(release: ChartRelease) -> Iterator[str]:
    """Find pods that read configuration only when they start, and are not replaced when it changes."""
    for template in _components(release):
        reads_at_start = template.component.endswith(("-serve", "-work")) or template.component == "gateway"
        if reads_at_start and "checksum/config" not in template.annotations:
            yield f"{template}: is not replaced when its configuration changes"


def find_unsafe_hooks(release: ChartRelease) -> Iterator[str]:
    """Find hooks that are no tests, Jobs that vanish by themselves, and definitions of kinds."""
    for manifest in release.manifests:
        hook = manifest["metadata"].get("annotations", {}).get("helm.sh/hook")
        if hook not in (None, "test"):
            yield f"{describe(manifest)}: is a hook: {hook}"
        if "ttlSecondsAfterFinished" in manifest.get("spec", {}):
            yield f"{describe(manifest)}: vanishes, and would run again with each upgrade"
        if manifest["kind"] == "CustomResourceDefinition":
            yield f"{describe(manifest)}: Helm does not upgrade such"


def _components(release: ChartRelease) -> list[PodTemplate]:
    return [each for each in release.pod_templates() if each.kind == "Deployment"]


def _is_envoy(container: Mapping[str, Any]) -> bool:
    return bool(container.get("command") == ["envoy"])


def _pre_stop_s(container: Mapping[str, Any]) -> int:
    """Return how long a container waits before SIGTERM: `sleep`, or the last argument of a script."""
    action = container.get("lifecycle", {}).get("preStop", {})
    if "exec" in action:
        return int(action["exec"]["command"][-1])
    return int(action.get("sleep", {}).get("seconds", 0))


def _disruptions_allowed(budget: Mapping[str, Any], size: int) -> int:
    """Return how many of `size` healthy pods may go; Kubernetes rounds both percentages up."""
    if "maxUnavailable" in budget:
        return _share(budget["maxUnavailable"], size)
    return size - _share(budget["minAvailable"], size)


def _share(value: int | str, size: int) -> int:
    return math.ceil(int(value.removesuffix("%")) * size / 100) if isinstance(value, str) else value

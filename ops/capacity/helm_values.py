"""The plan as values for the Helm chart: the fragment is of one region, since a release is one region's.

This is the one place that says which keys the chart takes from a plan:

| key | value |
|---|---|
| `components.NAME.resources.requests.cpu`, `.memory` | what a pod requests, in Kubernetes' quantities |
| `components.NAME.resources.limits.cpu`, `.memory` | the chart's own, or the request where that is more |
| `components.NAME.minReplicas`, `.maxReplicas` | the autoscaler's bounds; not of the control plane |
| `components.NAME.cpuPercent` | its target, in percent of the request; of serving parts only |
| `components.NAME.replicas` | pods of the control plane, and of workers without a scaler |

`NAME` is `gateway`, `control-plane`, `rate-limiter`, or a service with its role, as `auth-serve`.
"""

import math
from typing import Any, Final

import yaml

from ops.capacity.capacity_plan import CapacityPlan, ComponentSize
from ops.capacity.planner import CONTROL_PLANE
from ops.capacity.tables import SizingRules

DEFAULT_LIMIT_CORES: Final = 2.0
DEFAULT_LIMIT_MIB: Final = 2048
"""The chart's own limits of a container."""


def build_helm_values(plan: CapacityPlan, sizing: SizingRules) -> dict[str, Any]:
    """Return the values of one region's release."""
    return {
        "components": {each.name: _component_values(plan, each, sizing) for each in plan.components},
    }


def render_helm_values(plan: CapacityPlan, sizing: SizingRules) -> str:
    """Return the values as YAML, with the question as a comment."""
    asked = plan.request
    head = (
        f"# Made by: ic plan --users {asked.users} --rps {asked.rps:.12g} --regions {asked.regions} --helm\n"
        "# For one region: give it to each region's release.\n"
    )
    return head + yaml.safe_dump(build_helm_values(plan, sizing), sort_keys=False)


def _component_values(plan: CapacityPlan, size: ComponentSize, sizing: SizingRules) -> dict[str, Any]:
    resources = {
        "requests": {"cpu": f"{size.cores_per_pod:g}", "memory": f"{size.memory_mib}Mi"},
        "limits": {
            "cpu": f"{max(DEFAULT_LIMIT_CORES, size.cores_per_pod):g}",
            "memory": f"{max(DEFAULT_LIMIT_MIB, size.memory_mib)}Mi",
        },
    }
    if size.name == CONTROL_PLANE:
        return {"replicas": size.pods_per_region, "resources": resources}
    least = math.ceil(sizing.min_pods / plan.request.regions)
    most = max(least, size.pods_per_region, sizing.max_pods // plan.request.regions)
    values: dict[str, Any] = {"minReplicas": least, "maxReplicas": most, "resources": resources}
    if size.name.endswith("-work"):
        return values | {"replicas": size.pods_per_region}
    return values | {"cpuPercent": round(sizing.utilisation * 100)}

"""The plan as values for the Helm chart: the fragment is of one region, since a release is one region's.

This is the one place that says which keys the chart takes from a plan:

| key | value |
|---|---|
| `components.NAME.replicas` | pods at the start: those of the plan |
| `components.NAME.resources.requests.cpu`, `.memory` | what a pod requests, in Kubernetes' quantities |
| `components.NAME.autoscaling.enabled` | true, except for the control plane, whose number is fixed |
| `components.NAME.autoscaling.minReplicas`, `.maxReplicas` | the bounds of the region |
| `components.NAME.autoscaling.targetCPUUtilizationPercentage` | the target, in percent of the request |

`NAME` is `gateway`, `control-plane`, `rate-limiter`, or a service with its role, as `auth-serve`. Where
autoscaling is enabled, `replicas` is for a first installation only: a chart that renders it beside an
autoscaler resets the number of pods at each upgrade.
"""

import math
from typing import Any

import yaml

from ops.capacity.capacity_plan import CapacityPlan, ComponentSize
from ops.capacity.planner import CONTROL_PLANE
from ops.capacity.tables import SizingRules


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
    values: dict[str, Any] = {
        "replicas": size.pods_per_region,
        "resources": {"requests": {"cpu": f"{size.cores_per_pod:g}", "memory": f"{size.memory_mib}Mi"}},
    }
    if size.name == CONTROL_PLANE:
        return values | {"autoscaling": {"enabled": False}}
    least = math.ceil(sizing.min_pods / plan.request.regions)
    most = max(least, size.pods_per_region, sizing.max_pods // plan.request.regions)
    return values | {
        "autoscaling": {
            "enabled": True,
            "minReplicas": least,
            "maxReplicas": most,
            "targetCPUUtilizationPercentage": round(sizing.utilisation * 100),
        }
    }

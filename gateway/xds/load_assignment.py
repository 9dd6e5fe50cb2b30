"""Load assignments: the endpoints of a service that get calls, by region in order of preference."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from gateway.xds.endpoints import Endpoint
from gateway.xds.mesh import Mesh


def select_usable_endpoints(endpoints: Sequence[Endpoint]) -> list[Endpoint]:
    """Return the endpoints without draining ones, unless all are draining.

    Draining endpoints are removed rather than marked, because Envoy counts marked ones when it decides
    whether a region is healthy enough, and a restart would send calls across regions.
    """
    return [one for one in endpoints if not one.draining] or list(endpoints)


def build_load_assignment(
    name: str, own_region: str, mesh: Mesh, endpoints: Sequence[Endpoint]
) -> dict[str, Any]:
    """Build a ClusterLoadAssignment: the caller's own region first, then the mesh's order."""
    order = {region: rank for rank, region in enumerate(mesh.regions_by_preference(own_region))}
    ranked = sorted(
        select_usable_endpoints(endpoints), key=lambda one: (order.get(one.region, len(order)), one)
    )
    by_region = [(region, list(members)) for region, members in groupby(ranked, key=lambda one: one.region)]
    localities = [
        _locality_lb_endpoints(region, priority, members)
        for priority, (region, members) in enumerate(by_region)
    ]
    return {"cluster_name": name, "endpoints": localities}


def _locality_lb_endpoints(region: str, priority: int, members: list[Endpoint]) -> dict[str, Any]:
    return {
        "locality": {"region": region},
        "priority": priority,
        # Without a weight gRPC leaves a locality out.
        "load_balancing_weight": len(members),
        "lb_endpoints": [_lb_endpoint(one) for one in members],
    }


def _lb_endpoint(one: Endpoint) -> dict[str, Any]:
    address = {"socket_address": {"address": one.host, "port_value": one.port}}
    return {"endpoint": {"address": address}, "health_status": "HEALTHY"}

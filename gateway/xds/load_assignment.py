"""Load assignments: the endpoints of a service that get calls, by region in order of preference."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from typing import Final

from envoy.config.core.v3.health_check_pb2 import HEALTHY
from envoy.config.endpoint.v3.endpoint_components_pb2 import LbEndpoint, LocalityLbEndpoints

from gateway.envoy_types import ClusterLoadAssignment
from gateway.xds.endpoints import Endpoint

_MAX_LB_ENDPOINTS_KEPT: Final = 100_000


def select_usable_endpoints(endpoints: Sequence[Endpoint]) -> list[Endpoint]:
    """Return the endpoints without draining ones, unless all are draining.

    Draining endpoints are removed rather than marked, because Envoy counts marked ones when it decides
    whether a region is healthy enough, and a restart would send calls across regions.
    """
    return [one for one in endpoints if not one.draining] or list(endpoints)


def build_load_assignment(
    name: str, regions: Sequence[str], endpoints: Sequence[Endpoint]
) -> ClusterLoadAssignment:
    """Build the assignment of a service, with `regions` in the caller's order of preference.

    Each zone is a locality; the zones of a region share its priority, and calls go to each by its size.
    """
    order = {region: rank for rank, region in enumerate(regions)}
    last = len(order)
    ranked = sorted(
        select_usable_endpoints(endpoints),
        key=lambda one: (order.get(one.region, last), one.region, one.zone, one),
    )
    assignment = ClusterLoadAssignment(cluster_name=name)
    for priority, (_, members) in enumerate(groupby(ranked, key=lambda one: one.region)):
        for (region, zone), locals_ in groupby(members, key=lambda one: (one.region, one.zone)):
            assignment.endpoints.append(_locality(region, zone, priority, list(locals_)))
    return assignment


def _locality(region: str, zone: str, priority: int, members: list[Endpoint]) -> LocalityLbEndpoints:
    locality = LocalityLbEndpoints(
        locality={"region": region, "zone": zone},
        priority=priority,
        # Without a weight gRPC leaves a locality out.
        load_balancing_weight={"value": len(members)},
    )
    locality.lb_endpoints.extend([_lb_endpoint(one.host, one.port) for one in members])
    return locality


@lru_cache(_MAX_LB_ENDPOINTS_KEPT)
def _lb_endpoint(host: str, port: int) -> LbEndpoint:
    """Return the message of an address, made once for all the assignments that hold it."""
    address = {"socket_address": {"address": host, "port_value": port}}
    return LbEndpoint(endpoint={"address": address}, health_status=HEALTHY)

"""The port to what makes snapshots, and what every maker of them needs."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Final, Protocol

from chassis.contracts import Contracts
from gateway.xds.endpoints import Endpoint
from gateway.xds.mesh import Mesh
from gateway.xds.snapshot import Snapshot

RETRY_SETTINGS: Final[dict[str, Any]] = {
    "num_retries": 2,
    "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.250s"},
}
"""How often a call is sent again, and after which pauses, at the gateway and among services."""


class SnapshotBuilder(Protocol):
    """Makes what the nodes of a group and region get. Must not keep or change what it is given."""

    def build(
        self,
        group: str,
        region: str,
        contracts: Contracts,
        mesh: Mesh,
        endpoints: Mapping[str, Sequence[Endpoint]],
    ) -> Snapshot:
        """Raises ValueError, KeyError or ParseError when these do not make a snapshot."""
        ...


def select_usable_endpoints(endpoints: Sequence[Endpoint]) -> list[Endpoint]:
    """Those that get calls: a draining one is taken out, unless there is no other.

    It is taken out rather than marked, because Envoy counts marked ones when it decides whether a region is
    healthy enough, and a restart would send calls across regions.
    """
    return [one for one in endpoints if not one.draining] or list(endpoints)


def build_load_assignment(
    name: str, own_region: str, mesh: Mesh, endpoints: Sequence[Endpoint]
) -> dict[str, Any]:
    """A ClusterLoadAssignment: the caller's own region first, then the others as the mesh prefers them."""
    order = {region: rank for rank, region in enumerate(mesh.regions_from(own_region))}
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


def ads_config_source() -> dict[str, Any]:
    """A configuration source: the stream on which this very resource came."""
    return {"ads": {}, "resource_api_version": "V3"}


def format_duration(value: float) -> str:
    """A duration as protobuf's JSON writes it."""
    return f"{value:.3f}s"

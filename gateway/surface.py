"""Which calls of the contracts the gateway offers, and which service answers each."""

from functools import cache

from chassis.contracts import RpcSpec, all_services, rpcs_of


@cache
def edge_rpcs() -> tuple[RpcSpec, ...]:
    """Calls that have an HTTP rule; those between services have none and are not reachable from outside."""
    return tuple(rpc for service in all_services() for rpc in rpcs_of(service) if rpc.http)


def room_of(rpc: RpcSpec) -> str:
    """The service that answers a call: `internshipconnect.auth.v1.AuthService` -> `auth`."""
    return rpc.service.split(".")[1]

"""Which calls of the contracts the gateway offers, and which service answers each."""

from chassis.contracts import Contracts, RpcSpec, imported


def edge_rpcs(contracts: Contracts | None = None) -> tuple[RpcSpec, ...]:
    """Calls that have an HTTP rule; those between services have none and are not reachable from outside.

    Of the contracts that this process has imported, when no others are given.
    """
    return tuple(rpc for rpc in (contracts or imported()).rpcs if rpc.http)


def room_of(rpc: RpcSpec) -> str:
    """The service that answers a call: `internshipconnect.auth.v1.AuthService` -> `auth`."""
    return rpc.service.split(".")[1]

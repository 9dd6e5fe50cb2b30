"""Which calls of the contracts the gateway offers, and which service answers each."""

from chassis.contracts import Contracts, RpcSpec, imported


def edge_rpcs(contracts: Contracts | None = None) -> tuple[RpcSpec, ...]:
    """Calls that somebody outside may make; those between services are not reachable from there.

    Of the contracts that this process has imported, when no others are given.
    """
    return tuple(rpc for rpc in (contracts or imported()).rpcs if rpc.callers != {"SERVICE"})


def room_of(rpc: RpcSpec) -> str:
    """The service that answers a call: `internshipconnect.auth.v1.AuthService` -> `auth`."""
    return rpc.service.split(".")[1]

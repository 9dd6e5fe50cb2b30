"""Primaries of a stack's shards: finding them, and stepping down before a process stops."""

from collections.abc import Mapping
from typing import Any, Final

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from devstack import mongo
from devstack.credentials import Credentials
from devstack.topology import Topology
from devstack.topology_parts import LOOPBACK, StackShard
from ops.errors import OpsError
from ops.waiting import wait_until

HANDOVER_TIMEOUT_S: Final = 20.0
STEP_DOWN_S: Final = 30
POLL_INTERVAL_S: Final = 0.2

MemberClient = MongoClient[dict[str, Any]]


def find_shard(topology: Topology, name: str) -> StackShard:
    """Return the shard of that name. Raises OpsError, which lists the shards, when there is none."""
    found = topology.find_shard(name)
    if found is None:
        names = ", ".join(each.name for each in topology.shards)
        raise OpsError(f"there is no shard '{name}'; there are: {names}")
    return found


def find_primary(topology: Topology, shard: StackShard) -> int:
    """Return the index of the member that is the shard's primary now, asked without the fault proxy.

    Raises:
        OpsError: no member says that it is.
    """
    for member, port in enumerate(shard.ports):
        if _hello(topology.listen_port(port)).get("isWritablePrimary"):
            return member
    raise OpsError(f"shard {shard.name} has no primary just now")


def members_primary_last(topology: Topology, shard: StackShard) -> list[str]:
    """Return the processes of a shard's members, in the order in which they are best stopped."""
    primary = find_primary(topology, shard)
    members = sorted(range(len(shard.ports)), key=lambda member: member == primary)
    return [mongo.mongod_process_name(shard, member) for member in members]


def step_down_primary(topology: Topology, credentials: Credentials, process: str) -> None:
    """Step the member of that name down, if it is the primary and not alone, for one that has caught up.

    Raises:
        OpsError: no other one is primary within twenty seconds.
        PyMongoError: it does not answer, or no other one has caught up.
    """
    shard, member = _find_member(topology, process)
    if len(shard.ports) == 1 or find_primary(topology, shard) != member:
        return
    with connect_to_member(topology, credentials, shard.ports[member]) as client:
        client.admin.command("replSetStepDown", STEP_DOWN_S, secondaryCatchUpPeriodSecs=10)
    if not wait_until(
        lambda: _has_another_primary(topology, shard, member),
        timeout_s=HANDOVER_TIMEOUT_S,
        interval_s=POLL_INTERVAL_S,
    ):
        raise OpsError(f"{process} has stepped down, and no other member of {shard.name} has become primary")


def connect_to_member(
    topology: Topology, credentials: Credentials, port: int, *, socket_timeout_s: float = 30
) -> MemberClient:
    """Return the administrator's client of one member, by its known port, past the fault proxy."""
    return MongoClient(
        f"mongodb://{LOOPBACK}:{topology.listen_port(port)}/?directConnection=true&authSource=admin",
        username=mongo.ADMIN_USER,
        password=credentials.mongo_admin_password,
        serverSelectionTimeoutMS=2000,
        socketTimeoutMS=int(socket_timeout_s * 1000),
    )


def _find_member(topology: Topology, process: str) -> tuple[StackShard, int]:
    for shard in topology.shards:
        for member in range(len(shard.ports)):
            if mongo.mongod_process_name(shard, member) == process:
                return shard, member
    raise OpsError(f"'{process}' is no member of a shard")


def _has_another_primary(topology: Topology, shard: StackShard, member: int) -> bool:
    try:
        return find_primary(topology, shard) != member
    except OpsError:
        return False


def _hello(own_port: int) -> Mapping[str, Any]:
    client: MemberClient = MongoClient(
        f"mongodb://{LOOPBACK}:{own_port}/?directConnection=true", serverSelectionTimeoutMS=2000
    )
    with client:
        try:
            return client.admin.command("hello")
        except PyMongoError:
            return {}

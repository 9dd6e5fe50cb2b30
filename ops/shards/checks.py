"""Checks whether existing servers can be a shard of a cluster."""

from collections.abc import Mapping
from typing import Any

from pymongo.errors import PyMongoError

from chassis.mongo.provision import is_mongos
from chassis.sharding import slot_map_store
from chassis.sharding.slot_map import SlotMap
from chassis.sharding.slot_map_store import CLUSTER_DATABASE
from ops.cluster import ClusterShard
from ops.errors import OpsError
from ops.provision import AdminClient
from ops.shards import addresses


async def require_usable_shard(
    shard: ClusterShard, client: AdminClient, known: Mapping[str, AdminClient], slot_map: SlotMap
) -> None:
    """Check that the servers can be a new shard; `slot_map` is the newest, `known` its shards.

    Raises:
        OpsError: they are no replica set and no `mongos`, one of the known shards, or of another stack.
        PyMongoError: they do not answer, or refuse the administrator's user of the stack.
    """
    await require_unknown_servers(shard, client, known)
    where = addresses.shard_hosts(shard.uri)
    copy = await slot_map_store.read_slot_map(client[CLUSTER_DATABASE])
    ours = slot_map.uris | {shard.name: shard.uri}
    if copy is not None and not copy.uris.items() <= ours.items():
        raise OpsError(
            f"{where} holds the slot map of another stack; if that is gone, drop its databases ic_* first"
        )


async def require_unknown_servers(
    shard: ClusterShard, client: AdminClient, known: Mapping[str, AdminClient]
) -> None:
    """Check as `require_usable_shard` does, whatever slot map the servers hold."""
    where = addresses.shard_hosts(shard.uri)
    _require_replica_set_or_mongos(
        where, await client.admin.command("hello"), client.options.replica_set_name
    )
    identity = await _servers_id(client)
    for name, other in known.items():
        if await _servers_id(other) == identity:
            raise OpsError(f"{where} is the shard '{name}' already")


async def require_same_servers(shard: ClusterShard, client: AdminClient, former: AdminClient) -> None:
    """Raise OpsError when a shard still answers at its former address, and is not the same servers."""
    try:
        before = await _servers_id(former)
    except PyMongoError:
        return
    if before != await _servers_id(client):
        raise OpsError(
            f"the shard '{shard.name}' answers where it was, and {addresses.shard_hosts(shard.uri)} is "
            "another one: add that under its own name, or stop the former one first if this is its copy"
        )


def _require_replica_set_or_mongos(where: str, hello: Mapping[str, Any], asked_for: str | None) -> None:
    if hello.get("msg") == "isdbgrid":
        return
    name = hello.get("setName")
    if name is None:
        raise OpsError(f"{where} is a single server; a shard is a replica set (it may have one member)")
    if asked_for is None:
        raise OpsError(f"{where} is of the replica set {name}: give it with ?replicaSet={name}")


async def _servers_id(client: AdminClient) -> Any:
    """Return an ID that is the same at every address of a replica set, or of a sharded cluster."""
    if await is_mongos(client):
        return (await client["config"]["version"].find_one({}) or {})["clusterId"]
    return (await client.admin.command("replSetGetConfig"))["config"]["settings"]["replicaSetId"]

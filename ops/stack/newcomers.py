"""Whether servers that are there already can be a shard of a stack."""

from collections.abc import Mapping
from typing import Any

from chassis.mongo import catalogue
from chassis.mongo.catalogue import CLUSTER
from chassis.mongo.slots import SlotMap
from ops.errors import OpsError
from ops.stack import addresses
from ops.stack.provision import ShardClient
from ops.stack.topology import Shard


async def refuse_unfit(
    shard: Shard, client: ShardClient, known: Mapping[str, ShardClient], slot_map: SlotMap
) -> None:
    """Asks the servers what they are; `slot_map` is the newest, `known` its shards.

    Raises:
        OpsError: they are no replica set and no `mongos`, one of the known shards, or of another stack.
        PyMongoError: they do not answer, or not to the administrator's user of the stack.
    """
    where = addresses.hosts_of(shard.uri)
    hello = await client.admin.command("hello")
    _refuse_wrong_kind(where, hello, client.options.replica_set_name)
    identity = await _identity(client, hello)
    for name, other in known.items():
        if await _identity(other, await other.admin.command("hello")) == identity:
            raise OpsError(f"{where} is the shard '{name}' already")
    copy = await catalogue.copy_of(client[CLUSTER])
    ours = slot_map.uris | {shard.name: shard.uri}
    if copy is not None and not copy.uris.items() <= ours.items():
        raise OpsError(
            f"{where} holds the slot map of another stack; if that is gone, drop its databases ic_* first"
        )


def _refuse_wrong_kind(where: str, hello: Mapping[str, Any], asked_for: str | None) -> None:
    if hello.get("msg") == "isdbgrid":
        return
    name = hello.get("setName")
    if name is None:
        raise OpsError(f"{where} is a single server; a shard is a replica set (it may have one member)")
    if asked_for is None:
        raise OpsError(f"{where} is of the replica set {name}: give it with ?replicaSet={name}")


async def _identity(client: ShardClient, hello: Mapping[str, Any]) -> Any:
    """The same for every address of a replica set, or of a sharded cluster."""
    if hello.get("msg") == "isdbgrid":
        return (await client["config"]["version"].find_one({}) or {})["clusterId"]
    return (await client.admin.command("replSetGetConfig"))["config"]["settings"]["replicaSetId"]

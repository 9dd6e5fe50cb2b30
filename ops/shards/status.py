"""The status of a cluster's shards: their content, and whether it belongs there."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pymongo.errors import PyMongoError

from chassis.mongo.provision import CollectionSpec
from chassis.sharding import slot_map_store
from chassis.sharding.chassis_collections import CHASSIS_COLLECTIONS
from chassis.sharding.slot_map import SlotMap, to_slot_ranges
from chassis.sharding.slot_map_store import CLUSTER_DATABASE, ClusterMember
from ops.cluster import Cluster
from ops.errors import OpsError
from ops.provision import AdminClient, declared_collections, open_admin_clients
from ops.service_names import service_database
from ops.shards import addresses

OPERATIONS_WINDOW_S: Final = 1.0
MAX_SPANS_NAMED: Final = 5
_OPERATION_KINDS: Final = ("insert", "query", "update", "delete")


@dataclass(frozen=True)
class ShardStatus:
    """One shard: its part of the slot map, and its server's figures; None when it does not answer.

    `bytes` are those of the documents, before compression; `operations_per_s` all that its server executes;
    `moving_slots` is the number of slots of which it may hold documents that another shard owns, as they
    move.
    """

    name: str
    address: str
    region: str
    slots: int
    version: int | None = None
    fenced: int | None = None
    moving_slots: int | None = None
    documents: int | None = None
    bytes: int | None = None
    operations_per_s: float | None = None
    members: tuple[ClusterMember, ...] = ()
    error: str = ""


def read_shard_statuses(cluster: Cluster) -> list[ShardStatus]:
    """Return every shard's status. Raises OpsError when none of them answers."""
    return asyncio.run(_read_shard_statuses(cluster))


def find_shard_problems(cluster: Cluster) -> list[str]:
    """Return each fault of the shards in one sentence.

    Faults are missing, invalid or different copies of the slot map; documents on another shard than their
    slot's, or without a slot; and undeclared collections.
    """
    return asyncio.run(_find_shard_problems(cluster))


async def read_slot_map_copies(
    clients: Mapping[str, AdminClient],
) -> tuple[dict[str, SlotMap], dict[str, str]]:
    """Return by shard its copy, or why it cannot be read."""
    copies: dict[str, SlotMap] = {}
    errors: dict[str, str] = {}
    for name, client in clients.items():
        try:
            copy = await slot_map_store.read_slot_map(client[CLUSTER_DATABASE])
        except (PyMongoError, ValueError) as error:
            errors[name] = describe_in_one_line(error)
        else:
            if copy is None:
                errors[name] = "it holds no slot map: ic provision"
            else:
                copies[name] = copy
    return copies, errors


async def _read_shard_statuses(cluster: Cluster) -> list[ShardStatus]:
    async with open_admin_clients(cluster) as clients:
        copies, errors = await read_slot_map_copies(clients)
        slot_map = slot_map_store.newest_slot_map(copies)
        if slot_map is None:
            raise OpsError("no shard holds a slot map: " + "; ".join(errors.values()))
        names = list(slot_map.uris)
        return list(
            await asyncio.gather(
                *(_read_shard_status(name, slot_map, clients, copies, cluster.services) for name in names)
            )
        )


async def _read_shard_status(
    name: str,
    slot_map: SlotMap,
    clients: Mapping[str, AdminClient],
    copies: Mapping[str, SlotMap],
    services: Sequence[str],
) -> ShardStatus:
    slots = slot_map.slots_of(name)
    address = addresses.shard_hosts(slot_map.uris[name])
    region = slot_map.regions.get(name, "")
    try:
        sizes = [await clients[name][service_database(each)].command("dbStats") for each in services]
        members = await slot_map_store.list_members(clients[name][CLUSTER_DATABASE])
        return ShardStatus(
            name=name,
            address=address,
            region=region,
            slots=len(slots),
            version=copies[name].version,
            fenced=len(copies[name].fenced & slots),
            moving_slots=len(slot_map.orphan_slots(name)),
            documents=int(sum(size["objects"] for size in sizes)),
            bytes=int(sum(size["dataSize"] for size in sizes)),
            operations_per_s=await _measure_operations_per_s(clients[name]),
            members=tuple(members),
        )
    except (PyMongoError, KeyError) as error:
        return ShardStatus(name, address, region, len(slots), error=describe_in_one_line(error))


async def _measure_operations_per_s(client: AdminClient) -> float:
    before = await _count_operations(client)
    await asyncio.sleep(OPERATIONS_WINDOW_S)
    return (await _count_operations(client) - before) / OPERATIONS_WINDOW_S


async def _count_operations(client: AdminClient) -> int:
    counted = (await client.admin.command("serverStatus"))["opcounters"]
    return sum(int(counted[kind]) for kind in _OPERATION_KINDS)


async def _find_shard_problems(cluster: Cluster) -> list[str]:
    async with open_admin_clients(cluster) as clients:
        copies, errors = await read_slot_map_copies(clients)
        slot_map = slot_map_store.newest_slot_map(copies)
        found = [f"{name}: {error}" for name, error in errors.items()]
        if slot_map is None:
            return found
        found += _find_slot_map_differences(copies, slot_map)
        found += [
            f"{move.target}: slots {move.span} are on their way from {move.source}: ic shards move --resume"
            for move in slot_map.moving
        ]
        unknown = [name for name in slot_map.uris if name not in clients]
        found += [f"{name}: it is in the slot map, not in {cluster}" for name in unknown]
        for name in copies:
            found += [each async for each in _find_misplaced_documents(name, clients[name], slot_map)]
        return found


def _find_slot_map_differences(copies: Mapping[str, SlotMap], slot_map: SlotMap) -> list[str]:
    found = []
    for name, copy in copies.items():
        if name not in slot_map.uris:
            found.append(f"{name}: it is in no slot map of version {slot_map.version}: ic shards add {name}")
        elif copy.version != slot_map.version:
            found.append(f"{name}: its slot map has version {copy.version}, another {slot_map.version}")
        elif copy != slot_map:
            found.append(f"{name}: its slot map differs from another of the same version {copy.version}")
        if copy.fenced:
            found.append(f"{name}: {len(copy.fenced)} slots are fenced: {_name_spans(copy.fenced)}")
    return found


async def _find_misplaced_documents(shard: str, client: AdminClient, slot_map: SlotMap) -> AsyncIterator[str]:
    for service, own in declared_collections().items():
        database = client[service_database(service)]
        declared = {spec.name: spec for spec in (*own, *CHASSIS_COLLECTIONS)}
        for name in sorted(await database.list_collection_names()):
            where = f"{shard}: {database.name}.{name}"
            if name not in declared:
                yield f"{where} is declared by no service, so nobody knows where its documents belong"
            elif declared[name].slot_field is not None:
                counts = await _count_documents_by_slot(database[name], declared[name])
                for complaint in describe_misplaced_documents(shard, counts, slot_map):
                    yield f"{where} holds {complaint}"


async def _count_documents_by_slot(collection: Any, spec: CollectionSpec) -> dict[Any, int]:
    """Return the number of documents by slot; None for those without one."""
    cursor = await collection.aggregate(
        [{"$group": {"_id": f"${spec.slot_field}", "documents": {"$sum": 1}}}]
    )
    return {row["_id"]: row["documents"] async for row in cursor}


def describe_misplaced_documents(shard: str, counts: Mapping[Any, int], slot_map: SlotMap) -> list[str]:
    """Return sentences about documents that do not belong on a shard, given their numbers by slot.

    Documents of slots that move between this shard and another one may be on both.
    """
    moving = slot_map.orphan_slots(shard)
    of_others: dict[str, dict[int, int]] = defaultdict(dict)
    without = 0
    for slot, documents in counts.items():
        if not isinstance(slot, int) or not 0 <= slot < len(slot_map.owners):
            without += documents
        elif slot_map.owners[slot] != shard and slot not in moving:
            of_others[slot_map.owners[slot]][slot] = documents
    found = [
        f"{sum(slots.values())} documents of slots that live on {owner}: {_name_spans(slots)}"
        for owner, slots in of_others.items()
    ]
    return [*found, f"{without} documents that do not say in which slot they live"] if without else found


def _name_spans(slots: Any) -> str:
    named = [str(span) for span in to_slot_ranges(slots)]
    more = f" and {len(named) - MAX_SPANS_NAMED} more" if len(named) > MAX_SPANS_NAMED else ""
    return ", ".join(named[:MAX_SPANS_NAMED]) + more


def describe_in_one_line(error: Exception) -> str:
    """Return the error as the end of a sentence."""
    return f"{type(error).__name__}: {str(error).splitlines()[0][:160]}"

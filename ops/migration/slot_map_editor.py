"""Changes of the slot map: decided on the first shard, then published to the others."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

from pymongo.errors import PyMongoError

from chassis.sharding import slot_map_store
from chassis.sharding.slot_map import SlotMap
from chassis.sharding.slot_map_store import CLUSTER_DATABASE, ClusterDatabase
from ops.errors import OpsError
from ops.migration import lock
from ops.migration.lock import MigrationLock
from ops.provision import AdminClient
from ops.waiting import wait_until_async

POLL_INTERVAL_S: Final = 0.01
_RUNNING_WRITES: Final[list[dict[str, Any]]] = [
    {"$currentOp": {"allUsers": True, "idleSessions": True}},
    {
        "$match": {
            "$or": [
                {"active": True, "op": {"$in": ["insert", "update", "remove"]}},
                {"active": True, "command.findAndModify": {"$exists": True}},
                {"transaction": {"$exists": True}},
            ],
        }
    },
    {"$project": {"opid": 1, "lsid.id": 1, "transaction.parameters.txnNumber": 1}},
]


class SlotMapEditor:
    """All shards and their newest slot map; only the holder of the lock may change it."""

    def __init__(self, clients: Mapping[str, AdminClient], slot_map: SlotMap, lock: MigrationLock) -> None:
        self.clients = clients
        self.slot_map = slot_map
        self.lock = lock

    @property
    def first_shard(self) -> str:
        """The shard with the authoritative copy."""
        return next(iter(self.slot_map.uris))

    def database(self, shard: str) -> ClusterDatabase:
        """Return a shard's part of the catalogue."""
        return self.clients[shard][CLUSTER_DATABASE]

    async def replace_slot_map(self, new: SlotMap) -> None:
        """Make `new` the successor of the present map, on the first shard.

        Raises:
            OpsError: another process has changed the map or taken over; nothing was changed.
            PyMongoError: the first shard does not answer; `reload` tells whether it was changed.
        """
        exchange = partial(
            slot_map_store.replace_slot_map, self.database(self.first_shard), self.slot_map, new
        )
        if not await self.lock.run_in_transaction(self.first_shard, exchange):
            raise OpsError("somebody else has changed the slot map at this moment; try again")
        self.slot_map = new
        await slot_map_store.notify_slot_map_change(self.database(self.first_shard), new.version)

    async def reload(self) -> None:
        """Read the first shard's copy. Raises PyMongoError."""
        self.slot_map = await slot_map_store.read_slot_map(self.database(self.first_shard)) or self.slot_map

    async def publish_to_shard(self, shard: str) -> None:
        """Write the present map to a shard. Raises PyMongoError."""
        await slot_map_store.publish_slot_map(self.database(shard), self.slot_map)

    async def publish_to_all(self) -> list[str]:
        """Write the present map to every shard; return the names of those that do not answer."""
        answers = await asyncio.gather(
            *map(self.publish_to_shard, self.slot_map.uris), return_exceptions=True
        )
        for error in answers:
            if isinstance(error, BaseException) and not isinstance(error, PyMongoError):
                raise error
        return [name for name, error in zip(self.slot_map.uris, answers, strict=True) if error is not None]

    async def list_late_members(self, shards: Iterable[str]) -> list[str]:
        """Return the processes that may still use an earlier map of one of these shards."""
        found = [
            f"{member.service} {member.role} ({member.id})"
            for shard in shards
            for member in await slot_map_store.list_lagging_members(
                self.database(shard), self.slot_map.version
            )
        ]
        return list(dict.fromkeys(found))

    async def wait_until_confirmed(self, *shards: str, timeout_s: float) -> list[str]:
        """Wait until all processes confirm these shards' present map; return those that do not in time."""
        return await wait_until_async(
            lambda: self.list_late_members(shards),
            timeout_s=timeout_s,
            interval_s=POLL_INTERVAL_S,
            is_done=lambda late: not late,
        )

    async def wait_for_running_writes(self, shard: str) -> None:
        """Wait for the running writes and transactions on the shard, even of clients that have given up."""
        left = await self._running_writes(shard)
        while left:
            await asyncio.sleep(POLL_INTERVAL_S)
            left &= await self._running_writes(shard)

    async def _running_writes(self, shard: str) -> set[str]:
        cursor = await self.clients[shard].admin.aggregate(_RUNNING_WRITES)
        return {str(row.get("lsid") or row["opid"]) + str(row.get("transaction")) async for row in cursor}


@asynccontextmanager
async def edit_slot_map(clients: Mapping[str, AdminClient], owner: str = "") -> AsyncIterator[SlotMapEditor]:
    """Hold the slot map for changes within the block.

    Raises OpsError, and MigrationRunningError while another migration runs.
    """
    first = next(iter((await read_newest_slot_map(clients)).uris))
    async with lock.hold_migration_lock(clients, first, owner) as own:
        await own.register(first)
        yield SlotMapEditor(clients, await read_newest_slot_map(clients), own)


async def read_newest_slot_map(clients: Mapping[str, AdminClient]) -> SlotMap:
    """Return the first shard's map; other shards need not answer.

    Raises:
        OpsError: the first shard does not answer or has no copy, a shard has a newer one, or the stack lacks
            one of its shards.
    """
    copies: dict[str, SlotMap] = {}
    for name, client in clients.items():
        try:
            copy = await slot_map_store.read_slot_map(client[CLUSTER_DATABASE])
        except PyMongoError:
            continue
        if copy is not None:
            copies[name] = copy
    if not copies:
        raise OpsError("no shard holds a slot map: ic provision")
    first = next(iter(next(iter(copies.values())).uris))
    if first not in copies:
        raise OpsError(f"the shard {first} decides about the slot map, and holds none or does not answer")
    deciding = copies[first]
    if missing := deciding.uris.keys() - clients.keys():
        raise OpsError(f"the slot map names shards that the stack does not have: {', '.join(missing)}")
    if any(copies[name].version > deciding.version for name in copies.keys() & deciding.uris.keys()):
        raise OpsError("the slot map is being changed by somebody else; see: ic shards verify")
    return deciding

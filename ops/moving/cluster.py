"""The slot map as a mover changes it: decided on the first shard, then told to the others."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final

from chassis.mongo import catalogue
from chassis.mongo.catalogue import CLUSTER, Database
from chassis.mongo.slots import SlotMap
from ops.errors import OpsError
from ops.moving.claim import Claim, ShardClient

LOOK_EVERY_S: Final = 0.01
_RUNNING_WRITES: Final[list[dict[str, Any]]] = [
    {"$currentOp": {"allUsers": True}},
    {
        "$match": {
            "active": True,
            "$or": [
                {"op": {"$in": ["insert", "update", "remove"]}},
                {"command.findAndModify": {"$exists": True}},
                {"command.commitTransaction": {"$exists": True}},
            ],
        }
    },
    {"$project": {"opid": 1}},
]


class Cluster:
    """All shards, and the newest slot map of them; only the holder of the claim changes it."""

    def __init__(self, clients: Mapping[str, ShardClient], slot_map: SlotMap, claim: Claim) -> None:
        self.clients = clients
        self.slot_map = slot_map
        self.claim = claim

    @property
    def first(self) -> str:
        """The shard whose copy decides which map comes next."""
        return next(iter(self.slot_map.uris))

    def database(self, shard: str) -> Database:
        """A shard's part of the catalogue."""
        return self.clients[shard][CLUSTER]

    async def change(self, new: SlotMap) -> None:
        """Makes `new` the map that follows the present one; the first shard's copy is the first to say so.

        Raises:
            OpsError: somebody else has changed the map or taken over; nothing was changed.
        """
        exchange = partial(catalogue.exchange, self.database(self.first), self.slot_map, new)
        if not await self.claim.under(self.first, exchange):
            raise OpsError("somebody else has changed the slot map at this moment; try again")
        self.slot_map = new
        await catalogue.notify(self.database(self.first), new.version)

    async def tell(self, shard: str) -> None:
        """Gives a shard the present map."""
        await catalogue.publish(self.database(shard), self.slot_map)

    async def tell_all(self) -> None:
        """Gives every shard the present map."""
        await asyncio.gather(*map(self.tell, self.slot_map.uris))

    async def late(self, shards: Iterable[str]) -> list[str]:
        """The processes that may still go by an earlier map of one of these shards."""
        found = [
            f"{member.service} {member.role} ({member.id})"
            for shard in shards
            for member in await catalogue.late_members(self.database(shard), self.slot_map.version)
        ]
        return list(dict.fromkeys(found))

    async def confirmed(self, *shards: str, within_s: float) -> list[str]:
        """Waits until all processes have confirmed the present map of these shards; names who has not."""
        until = time.monotonic() + within_s
        while late := await self.late(shards):
            if time.monotonic() > until:
                break
            await asyncio.sleep(LOOK_EVERY_S)
        return late

    async def running_writes_end(self, shard: str) -> None:
        """Waits for the writes that the shard's server is at: whoever asked for them may have given up."""
        left = await self._running_writes(shard)
        while left:
            await asyncio.sleep(LOOK_EVERY_S)
            left &= await self._running_writes(shard)

    async def _running_writes(self, shard: str) -> set[int]:
        cursor = await self.clients[shard].admin.aggregate(_RUNNING_WRITES)
        return {row["opid"] async for row in cursor}


async def newest_map(clients: Mapping[str, ShardClient]) -> SlotMap:
    """The map that the first shard holds.

    Raises:
        OpsError: a shard has no copy, one that cannot be read, or a newer one than the first shard.
    """
    copies: dict[str, SlotMap] = {}
    for name, client in clients.items():
        copy = await catalogue.copy_of(client[CLUSTER])
        if copy is None:
            raise OpsError(f"the shard {name} holds no slot map: ic provision")
        copies[name] = copy
    newest = catalogue.newest(copies)
    if newest is None:
        raise OpsError("the stack has no shards")
    deciding = copies[next(iter(newest.uris))]
    if deciding != newest or set(clients) != set(newest.uris):
        raise OpsError("the slot map is being changed by somebody else; see: ic shards verify")
    return newest

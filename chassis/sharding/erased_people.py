"""Tombstones: the people whose data a service has erased, or is erasing, each in the person's slot.

A tombstone is stored before anything is erased, and stays. Its key is a hash of the person's ID, which the
tombstone names only until the erasure is acknowledged. It moves with its slot as everything else does.
"""

import hashlib
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from google.protobuf.message import Message
from pymongo import ASCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from chassis.ids import slot_of
from chassis.mongo.documents import Document
from chassis.mongo.provision import CollectionSpec
from chassis.sharding.idempotency_store import IDEMPOTENCY_COLLECTION
from chassis.sharding.shard import Shard
from chassis.sharding.shards import Shards
from chassis.sharding.transactions import Transaction

DUE_ERASURES_INDEX: Final = "due"
ERASED_PEOPLE_COLLECTION: Final = CollectionSpec(
    "erased_people",
    shard_key="_id",
    indexes=(IndexModel([("due_time", ASCENDING)], name=DUE_ERASURES_INDEX, sparse=True),),
)
LIST_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class PendingErasure:
    """A person to erase; `request_time` is when the tombstone was stored."""

    user_id: str
    request_time: datetime


def tombstone_key(user_id: str) -> str:
    """Return the key of a person's tombstone: the SHA-256 of the ID, in hexadecimal digits."""
    return hashlib.sha256(user_id.encode()).hexdigest()


class ErasedPeople:
    """The tombstones of one service. Every query names tombstones by `_id`, but for those that are due."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def request_erasure(self, user_id: str, now: datetime) -> None:
        """Store a person's tombstone, and have the person erased from now on; again for one of before."""
        change: Document = {
            "$set": {"user_id": user_id, "due_time": now},
            "$setOnInsert": {"slot": slot_of(user_id), "time": now},
        }
        tombstones = self._shards.shard_for(user_id).db[ERASED_PEOPLE_COLLECTION.name]
        with suppress(DuplicateKeyError):  # of two at once the winner has stored the same
            await tombstones.update_one({"_id": tombstone_key(user_id)}, change, upsert=True, hint="_id_")

    async def list_due(self, now: datetime, limit: int) -> list[PendingErasure]:
        """Return people to erase now, of each shard that answers at most `limit` (index `due`)."""

        async def on_shard(shard: Shard) -> list[Document]:
            due = shard.db[ERASED_PEOPLE_COLLECTION.name].find(
                {"due_time": {"$lte": now}}, {"user_id": 1, "time": 1}, hint=DUE_ERASURES_INDEX
            )
            return await due.sort("due_time", ASCENDING).limit(limit).to_list()

        found = await self._shards.scatter(on_shard, LIST_TIMEOUT_S)
        return [PendingErasure(str(each["user_id"]), each["time"]) for part in found.results for each in part]

    async def postpone(self, user_id: str, until: datetime) -> None:
        """Have a person erased once more at that time, before the erasure is acknowledged."""
        tombstones = self._shards.shard_for(user_id).db[ERASED_PEOPLE_COLLECTION.name]
        pending = {"_id": tombstone_key(user_id), "user_id": user_id}
        await tombstones.update_one(pending, {"$set": {"due_time": until}}, hint="_id_")

    async def acknowledge(self, user_id: str, event: Message) -> None:
        """Emit the event that the person is erased, and let the tombstone name the person no more."""

        async def work(tx: Transaction) -> None:
            await settle_tombstone(tx, user_id)
            tx.emit(event, subject=user_id)

        await self._shards.shard_for(user_id).run_in_transaction(work, slot=slot_of(user_id))

    async def remove_answers(self, user_id: str) -> None:
        """Remove the answers that are stored under a person's idempotency keys, by a range of `_id`."""
        keys: Document = {"$gte": f"{user_id}:", "$lt": f"{user_id};"}
        claims = self._shards.shard_for(user_id).db[IDEMPOTENCY_COLLECTION]
        await claims.delete_many({"slot": slot_of(user_id), "_id": keys}, hint="_id_")

    async def find_erased(self, user_ids: Collection[str]) -> frozenset[str]:
        """Return those of these people who have a tombstone; one query a shard."""

        async def on_shard(shard: Shard, own: list[str]) -> list[str]:
            by_key = {tombstone_key(user_id): user_id for user_id in own}
            found = shard.db[ERASED_PEOPLE_COLLECTION.name].find(
                {"_id": {"$in": list(by_key)}}, {"_id": 1}, hint="_id_"
            )
            return [by_key[str(each["_id"])] for each in await found.to_list()]

        parts = await self._shards.run_on_shards_of(dict.fromkeys(user_ids), str, on_shard)
        return frozenset(user_id for part in parts for user_id in part)


async def settle_tombstone(tx: Transaction, user_id: str, **facts: int) -> None:
    """Let a tombstone name its person no more, and keep `facts` in it; it is made if there is none."""
    values: Document = {"slot": slot_of(user_id), **facts}
    change: Document = {"$set": values, "$unset": {"user_id": "", "due_time": ""}}
    key = {"_id": tombstone_key(user_id)}
    await tx.db[ERASED_PEOPLE_COLLECTION.name].update_one(key, change, upsert=True, hint="_id_")

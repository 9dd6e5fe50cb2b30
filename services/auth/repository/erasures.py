"""Accounts to be deleted, and their removal.

Accounts that are due are found by the index `due_deletions`, the oldest erasure by `running_erasures`; what
an account has is removed by `_id`, by `user_credential` or by `chain`, page by page, the account itself last.
"""

from datetime import datetime
from typing import Final

from pymongo import ASCENDING

from chassis.ids import slot_of, slot_of_key
from chassis.mongo.documents import Document
from chassis.sharding.collections import ShardCollection
from chassis.sharding.erased_people import ErasedPeople, settle_tombstone
from chassis.sharding.shard import Shard
from chassis.sharding.shards import Shards
from chassis.sharding.transactions import Transaction
from services.auth.domain.accounts import Account
from services.auth.domain.addresses import normalise_address
from services.auth.repository.collections import (
    ACCOUNTS_COLLECTION,
    DUE_DELETIONS_INDEX,
    IS_ERASING,
    RUNNING_ERASURES_INDEX,
    SECURITY_CHAINS_COLLECTION,
    SECURITY_EVENTS_COLLECTION,
    SESSIONS_COLLECTION,
)

LIST_TIMEOUT_S: Final = 5.0
MAX_REMOVED_AT_ONCE: Final = 500


class AccountErasureRepository:
    """Finds the deletions that are due, and removes accounts."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._tombstones = ErasedPeople(shards)

    async def list_due_deletions(self, now: datetime, limit: int) -> list[str]:
        """Return accounts whose deletion is due, the longest due first, of each shard at most `limit`."""

        async def on_shard(shard: Shard) -> list[Document]:
            due = shard.db[ACCOUNTS_COLLECTION.name].find(
                {"deletion.due_time": {"$lte": now}}, {"_id": 1}, hint=DUE_DELETIONS_INDEX
            )
            return await due.sort("deletion.due_time", ASCENDING).limit(limit).to_list()

        found = await self._shards.scatter(on_shard, LIST_TIMEOUT_S)
        return [str(each["_id"]) for part in found.results for each in part]

    async def find_oldest_erasure(self) -> datetime | None:
        """Return when the oldest erasure that is not over was to begin, on shards that answer; None: none is.

        Uses the index `running_erasures`.
        """

        async def on_shard(shard: Shard) -> list[Document]:
            running = shard.db[ACCOUNTS_COLLECTION.name].find(
                IS_ERASING, {"deletion.erase_time": 1}, hint=RUNNING_ERASURES_INDEX
            )
            return await running.sort("deletion.erase_time", ASCENDING).limit(1).to_list()

        found = await self._shards.scatter(on_shard, LIST_TIMEOUT_S)
        return min((each["deletion"]["erase_time"] for part in found.results for each in part), default=None)

    async def remove(self, account: Account) -> None:
        """Remove all that is stored of an account; a tombstone stays, with the length of its record.

        A removal that is broken off leaves the account, by which it is found and repeated.
        """
        address = normalise_address(account.email)
        directory = self._of_key(address, "email_directory")
        await directory.delete_one({"_id": address, "user_id": account.id}, hint="_id_")
        # Those of one client have the address, a space and the client as their key.
        guesses = {"_id": {"$gte": address, "$lt": f"{address}!"}}
        await self._of_key(address, "code_guesses").delete_many(guesses, hint="_id_")
        for key in [*(each.key for each in account.identities), *(each.key for each in account.passkeys)]:
            entry = {"_id": key, "user_id": account.id}
            await self._of_key(key, "identity_directory").delete_one(entry, hint="_id_")
        await self._tombstones.remove_answers(account.id)
        await self._remove_pages(account.id, SESSIONS_COLLECTION.name, "user_credential")
        await self._shards.shard_for(account.id).run_in_transaction(
            lambda tx: self._record_length(tx, account.id), slot=slot_of(account.id)
        )
        await self._remove_pages(account.id, SECURITY_EVENTS_COLLECTION.name, "chain")
        await self._shards.shard_for(account.id).run_in_transaction(
            lambda tx: self._remove_last(tx, account.id), slot=slot_of(account.id)
        )

    async def _record_length(self, tx: Transaction, user_id: str) -> None:
        """Keep the number of the last event before any is removed."""
        head = await tx.db[SECURITY_CHAINS_COLLECTION.name].find_one({"_id": user_id}, hint="_id_")
        if head is not None:
            await settle_tombstone(tx, user_id, security_events=int(head["number"]))

    async def _remove_last(self, tx: Transaction, user_id: str) -> None:
        await settle_tombstone(tx, user_id)
        for name in (SECURITY_CHAINS_COLLECTION.name, ACCOUNTS_COLLECTION.name):
            await tx.db[name].delete_one({"_id": user_id}, hint="_id_")

    async def _remove_pages(self, user_id: str, name: str, index: str) -> None:
        collection = self._shards.shard_for(user_id).db[name]
        query = {"slot": slot_of(user_id), "user_id": user_id}
        while True:
            page = await collection.find(query, {"_id": 1}, hint=index).limit(MAX_REMOVED_AT_ONCE).to_list()
            if not page:
                return
            ids = [each["_id"] for each in page]
            await collection.delete_many({"slot": query["slot"], "_id": {"$in": ids}}, hint="_id_")

    def _of_key(self, key: str, name: str) -> ShardCollection:
        return self._shards.shard_for(slot_of_key(key)).db[name]

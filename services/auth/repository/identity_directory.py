"""The directory of identities at other providers, each entry in the slot of its name's hash, read by `_id`.

An account's own list is the truth: an entry may name an account that has the identity no more, or not yet.
"""

from datetime import datetime

from pymongo.errors import DuplicateKeyError

from chassis.ids import slot_of_key
from chassis.sharding.collections import ShardCollection
from chassis.sharding.shards import Shards
from services.auth.repository.collections import IDENTITY_DIRECTORY_COLLECTION


class IdentityDirectory:
    """Accounts by the names of identities."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def find_linked_user(self, key: str) -> str | None:
        """Return the user of an identity, or None."""
        entry = await self._entries(key).find_one({"_id": key}, {"user_id": 1}, hint="_id_")
        return str(entry["user_id"]) if entry else None

    async def enter_user(self, key: str, user_id: str, *, former: str | None, now: datetime) -> bool:
        """Name the user of an identity, of which the entry names `former`; return whether it still did.

        None: there is no entry. Of two at once one is refused.
        """
        if former == user_id:
            return True
        if former is None:
            entry = {"_id": key, "user_id": user_id, "slot": slot_of_key(key), "create_time": now}
            try:
                await self._entries(key).insert_one(entry)
            except DuplicateKeyError:
                return False
            return True
        change = {"$set": {"user_id": user_id, "create_time": now}}
        found = await self._entries(key).update_one({"_id": key, "user_id": former}, change, hint="_id_")
        return found.matched_count == 1

    async def release_identity(self, key: str, user_id: str) -> None:
        """Delete the entry of an identity that the user no longer has; leave another's alone."""
        await self._entries(key).delete_one({"_id": key, "user_id": user_id}, hint="_id_")

    def _entries(self, key: str) -> ShardCollection:
        return self._shards.shard_for(slot_of_key(key)).db[IDENTITY_DIRECTORY_COLLECTION.name]

"""Signing keys, all in slot 0."""

from typing import Final

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from chassis.mongo.documents import from_document, to_document
from chassis.sharding.shards import Shards
from services.auth.domain.keys import SigningKey

SIGNING_KEYS_SLOT: Final = 0
_MAX_KEYS: Final = 1000


class SigningKeyRepository:
    """Signing keys: few, and read by every process twice a minute."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def list_keys(self) -> list[SigningKey]:
        """Return every stored key, by number."""
        collection = self._shards.shard_for(SIGNING_KEYS_SLOT).db["signing_keys"]
        documents = await collection.find({}).sort("_id", ASCENDING).to_list(_MAX_KEYS)
        return [from_document(SigningKey, document) for document in documents]

    async def add_key(self, key: SigningKey) -> bool:
        """Store a key; return False if another process has stored one with its number."""
        document = to_document(key, slot=SIGNING_KEYS_SLOT)
        try:
            await self._shards.shard_for(SIGNING_KEYS_SLOT).db["signing_keys"].insert_one(document)
        except DuplicateKeyError:
            return False
        return True

    async def replace_seal(self, key: SigningKey, resealed: SigningKey) -> None:
        """Store a key's private part as another data key seals it, unless it has changed."""
        keys = self._shards.shard_for(SIGNING_KEYS_SLOT).db["signing_keys"]
        await keys.update_one(
            {"_id": key.id, "sealed_private": key.sealed_private},
            {"$set": {"sealed_private": resealed.sealed_private}},
        )

    async def remove_key(self, key: SigningKey) -> None:
        """Delete a key that no valid token is signed with."""
        await self._shards.shard_for(SIGNING_KEYS_SLOT).db["signing_keys"].delete_one({"_id": key.id})

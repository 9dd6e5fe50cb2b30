"""The key that seals the chains of security events: made once, encrypted with the data key, in slot 0.

It stays the same when the data key is replaced: what it has sealed is never written again.
"""

import secrets
from typing import Final

from pymongo.errors import DuplicateKeyError

from chassis.errors import unavailable
from chassis.sharding.collections import ShardCollection
from chassis.sharding.shards import Shards
from services.auth.key_store import KeyStore
from services.auth.repository.collections import SEALED_KEYS_COLLECTION

CHAIN_KEY_SLOT: Final = 0
CHAIN_KEY_BYTES: Final = 32
_ID: Final = "security-events"


class ChainKey:
    """Reads the key once in a process; the first process of all makes it."""

    def __init__(self, shards: Shards, key_store: KeyStore) -> None:
        self._shards = shards
        self._key_store = key_store
        self._known: bytes | None = None

    async def get(self) -> bytes:
        """Return the key.

        Raises DomainError when its shard does not answer, InvalidTag without its data key.
        """
        if self._known is None:
            self._known = self._key_store.open_chain_key(await self.find_sealed() or await self._make())
        return self._known

    async def find_sealed(self) -> bytes | None:
        """Return the key as it is stored; None before its first use."""
        found = await self._keys.find_one({"_id": _ID}, hint="_id_")
        return bytes(found["sealed"]) if found else None

    async def renew_seal(self) -> None:
        """Encrypt the key with the newest data key, unless it is. Raises InvalidTag without its data key."""
        sealed = await self.find_sealed()
        if sealed is None or self._key_store.is_chain_key_current(sealed):
            return
        renewed = self._key_store.seal_chain_key(self._key_store.open_chain_key(sealed))
        await self._keys.update_one(
            {"_id": _ID, "sealed": sealed}, {"$set": {"sealed": renewed}}, hint="_id_"
        )

    @property
    def _keys(self) -> ShardCollection:
        return self._shards.shard_for(CHAIN_KEY_SLOT).db[SEALED_KEYS_COLLECTION.name]

    async def _make(self) -> bytes:
        sealed = self._key_store.seal_chain_key(secrets.token_bytes(CHAIN_KEY_BYTES))
        try:
            await self._keys.insert_one({"_id": _ID, "slot": CHAIN_KEY_SLOT, "sealed": sealed})
        except DuplicateKeyError:
            found = await self.find_sealed()
            if found is None:
                raise unavailable("The key store") from None
            return found
        return sealed

"""The cache's port to its store. A store that does not answer is never an error for the caller."""

from typing import Protocol

from chassis.redis.nodes import StoreUnavailableError

__all__ = ["CacheStore", "StoreUnavailableError"]


class CacheStore(Protocol):
    """Entries by key, each with an expiry. Every method raises StoreUnavailableError when the store does not
    answer.

    A lease holds the place of an entry that is being loaded. Removing the key removes the lease, so that a
    load that began earlier cannot store an outdated value.
    """

    async def get(self, key: str) -> bytes | None:
        """Return the entry, which may be a lease; None if there is none."""
        ...

    async def claim_lease(self, key: str, lease: bytes, ttl_s: float) -> bytes | None:
        """Store `lease` if the key has no entry, and return None; else return its entry or lease."""
        ...

    async def fill(self, key: str, lease: bytes, entry: bytes, ttl_s: float, stale_copy_ttl_s: float) -> bool:
        """Replace exactly this lease by `entry`; return False, without a change, if another entry is there.

        A stale copy is kept for `stale_copy_ttl_s`; with 0 there is none, and an earlier one is removed.
        """
        ...

    async def get_stale_copy(self, key: str) -> bytes | None:
        """Return the stale copy of the last entry that was filled and not removed; None if there is none."""
        ...

    async def remove(self, key: str) -> None:
        """Remove the key's entry or lease, and its stale copy."""
        ...

    async def aclose(self) -> None:
        """Stop the store's background work."""
        ...

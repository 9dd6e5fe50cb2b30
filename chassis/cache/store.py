"""What the cache needs of a store. A store that does not answer is never an error of the caller's."""

from typing import Protocol

from chassis.redis.nodes import StoreUnavailableError

__all__ = ["CacheStore", "StoreUnavailableError"]


class CacheStore(Protocol):
    """Entries by key, each with an expiry. Every method raises StoreDownError when it gets no answer.

    A lease holds the place of an entry that is being loaded. Removing the key takes the lease away, so
    that a load that began before cannot put an outdated value there any more.
    """

    async def get(self, key: str) -> bytes | None:
        """Return the entry, which may be a lease; None if there is none."""
        ...

    async def claim_lease(self, key: str, lease: bytes, ttl_s: float) -> bytes | None:
        """Store `lease` where the key has no entry, and return None; else return the entry or lease that is
        there."""
        ...

    async def fill(self, key: str, lease: bytes, entry: bytes, ttl_s: float, stale_copy_ttl_s: float) -> bool:
        """Put `entry` in the place of exactly this lease; false, and no change, if it is not there.

        A spare of it is kept for `stale_copy_ttl_s`; with 0 there is none, and an earlier one goes.
        """
        ...

    async def get_stale_copy(self, key: str) -> bytes | None:
        """Return the spare of the last entry that was filled in and not removed; None if there is none."""
        ...

    async def remove(self, key: str) -> None:
        """Take the entry, or lease, and the spare away."""
        ...

    async def aclose(self) -> None:
        """End what the store runs in the background."""
        ...

"""A cache store in this process's memory, which can be taken down and held up."""

import asyncio
import time
from collections.abc import Callable

from chassis.redis.nodes import StoreUnavailableError


class InMemoryCacheStore:
    """A `CacheStore`; `is_down` makes it answer nothing, `now` is the time by which entries expire."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.is_down = False
        self.entries: dict[str, tuple[bytes, float]] = {}
        self._now = now

    async def get(self, key: str) -> bytes | None:
        self._check()
        return self._found(key)

    async def claim_lease(self, key: str, lease: bytes, ttl_s: float) -> bytes | None:
        self._check()
        found = self._found(key)
        if found is None:
            self._put(key, lease, ttl_s)
        return found

    async def fill(self, key: str, lease: bytes, entry: bytes, ttl_s: float, stale_copy_ttl_s: float) -> bool:
        self._check()
        if self._found(key) != lease:
            return False
        self._put(key, entry, ttl_s)
        self._put(f"{key} spare", entry, stale_copy_ttl_s)
        return True

    async def get_stale_copy(self, key: str) -> bytes | None:
        return await self.get(f"{key} spare")

    async def remove(self, key: str) -> None:
        self._check()
        self.entries.pop(key, None)
        self.entries.pop(f"{key} spare", None)

    async def aclose(self) -> None:
        self.entries.clear()

    def _found(self, key: str) -> bytes | None:
        value, expires = self.entries.get(key, (None, 0.0))
        return value if self._now() < expires else None

    def _put(self, key: str, value: bytes, ttl_s: float) -> None:
        self.entries[key] = (value, self._now() + ttl_s)

    def _check(self) -> None:
        if self.is_down:
            raise StoreUnavailableError("taken down by the test")


class RemoteCacheStore(InMemoryCacheStore):
    """Every command takes a turn of the loop each way, as over a network; what was read takes the longest."""

    async def get(self, key: str) -> bytes | None:
        await asyncio.sleep(0)
        found = await super().get(key)
        for _ in range(5):
            await asyncio.sleep(0)
        return found

    async def claim_lease(self, key: str, lease: bytes, ttl_s: float) -> bytes | None:
        await asyncio.sleep(0)
        found = await super().claim_lease(key, lease, ttl_s)
        await asyncio.sleep(0)
        return found

    async def fill(self, key: str, lease: bytes, entry: bytes, ttl_s: float, stale_copy_ttl_s: float) -> bool:
        await asyncio.sleep(0)
        filled = await super().fill(key, lease, entry, ttl_s, stale_copy_ttl_s)
        await asyncio.sleep(0)
        return filled

    async def remove(self, key: str) -> None:
        await asyncio.sleep(0)
        await super().remove(key)
        await asyncio.sleep(0)

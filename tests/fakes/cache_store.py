"""A cache store in this process's memory, which can be taken down and held up."""

import time
from collections.abc import Callable

from chassis.cache import StoreDownError


class MemoryStore:
    """A `CacheStore`; `is_down` makes it answer nothing, `now` is the time by which entries expire."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.is_down = False
        self.entries: dict[str, tuple[bytes, float]] = {}
        self._now = now

    async def get(self, key: str) -> bytes | None:
        self._check()
        value, expires = self.entries.get(key, (None, 0.0))
        return value if self._now() < expires else None

    async def claim(self, key: str, lease: bytes, ttl_s: float) -> bytes | None:
        found = await self.get(key)
        if found is None:
            self._put(key, lease, ttl_s)
        return found

    async def fill(self, key: str, lease: bytes, entry: bytes, ttl_s: float, spare_s: float) -> bool:
        if await self.get(key) != lease:
            return False
        self._put(key, entry, ttl_s)
        self._put(f"{key} spare", entry, spare_s)
        return True

    async def spare(self, key: str) -> bytes | None:
        return await self.get(f"{key} spare")

    async def remove(self, key: str) -> None:
        self._check()
        self.entries.pop(key, None)
        self.entries.pop(f"{key} spare", None)

    async def aclose(self) -> None:
        self.entries.clear()

    def _put(self, key: str, value: bytes, ttl_s: float) -> None:
        self.entries[key] = (value, self._now() + ttl_s)

    def _check(self) -> None:
        if self.is_down:
            raise StoreDownError("taken down by the test")

"""Invalidations that the store has not confirmed, and their retries."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Final

from cachetools import FIFOCache

from chassis.redis.nodes import StoreUnavailableError

MAX_PENDING_KEYS: Final = 10_000
RETRY_BATCH_SIZE: Final = 100
RETRY_INTERVAL_S: Final = 0.2


class PendingInvalidations:
    """Keys whose entries may be outdated; their removal is tried every 200 ms until it succeeds.

    Beyond 10,000 keys the oldest is given up; its entry then lives on until it expires.
    """

    def __init__(self, remove: Callable[[str], Awaitable[None]]) -> None:
        self._remove = remove
        self._keys: FIFOCache[str, None] = FIFOCache(MAX_PENDING_KEYS)
        self._retrying: asyncio.Task[None] | None = None

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def add(self, key: str) -> None:
        """Retry the removal of `key` until it succeeds."""
        self._keys[key] = None
        if self._retrying is None:
            self._retrying = asyncio.create_task(self._retry())

    async def aclose(self) -> None:
        """Give up the removals that are still pending."""
        if self._retrying is not None:
            self._retrying.cancel()
            await asyncio.gather(self._retrying, return_exceptions=True)

    async def _retry(self) -> None:
        while self._keys:
            await asyncio.sleep(RETRY_INTERVAL_S * random.uniform(0.8, 1.2))  # noqa: S311
            await asyncio.gather(
                *(self._retry_one(key) for key in list(islice(self._keys, RETRY_BATCH_SIZE)))
            )
        self._retrying = None

    async def _retry_one(self, key: str) -> None:
        try:
            await self._remove(key)
        except StoreUnavailableError:
            return
        self._keys.pop(key, None)

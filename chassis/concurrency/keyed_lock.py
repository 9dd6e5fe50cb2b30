"""A lock per key within one process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class KeyedLock:
    """A lock per key, kept only while a task holds it or waits for it."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[None]:
        """Hold the lock of this key for the block; waiters get it in the order of asking."""
        lock, waiters = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = lock, waiters + 1
        try:
            async with lock:
                yield
        finally:
            self._release(key)

    def _release(self, key: str) -> None:
        lock, waiters = self._locks.pop(key)
        if waiters > 1:
            self._locks[key] = lock, waiters - 1

"""Taking turns by key, within one process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class KeyedLock:
    """A lock per key, kept only as long as somebody holds it or waits for it."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def of(self, key: str) -> AsyncIterator[None]:
        """Waits for the turn of this key, in the order of asking."""
        lock, interested = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = lock, interested + 1
        try:
            async with lock:
                yield
        finally:
            self._leave(key)

    def _leave(self, key: str) -> None:
        lock, interested = self._locks.pop(key)
        if interested > 1:
            self._locks[key] = lock, interested - 1

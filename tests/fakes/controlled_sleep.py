"""Pauses that end when a test says so, for code that looks again every few seconds."""

import asyncio

from tests.waiting import WAIT_TIMEOUT_S


class ControlledSleep:
    """Stands in for `asyncio.sleep`; `look` lets the code poll once more."""

    def __init__(self) -> None:
        self._begun = asyncio.Semaphore(0)
        self._over = asyncio.Semaphore(0)

    async def __call__(self, _seconds: float) -> None:
        """Pause the code under test."""
        self._begun.release()
        await self._over.acquire()

    async def look(self) -> None:
        """End the pause and return when the code has polled and pauses again."""
        await self.end()
        async with asyncio.timeout(WAIT_TIMEOUT_S):
            await self._begun.acquire()
        self._begun.release()

    async def end(self) -> None:
        """End the pause, as soon as there is one."""
        async with asyncio.timeout(WAIT_TIMEOUT_S):
            await self._begun.acquire()
        self._over.release()

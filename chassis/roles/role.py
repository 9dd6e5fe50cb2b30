"""What the roles share: keeping endless tasks going."""

import asyncio
from collections.abc import Awaitable, Callable

from chassis.messaging.backoff import jittered
from chassis.observability.logging import get_logger

_log = get_logger()


class Tasks:
    """Endless background work: what fails is logged and started again, until all is cancelled."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def keep(self, name: str, call: Callable[[], Awaitable[None]]) -> None:
        self._tasks.append(asyncio.create_task(_kept(name, call), name=name))

    async def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()


async def _kept(name: str, call: Callable[[], Awaitable[None]]) -> None:
    attempt = 0
    while True:
        try:
            return await call()
        except Exception:
            _log.exception("background task failed", task=name)
            await asyncio.sleep(jittered(attempt))
            attempt += 1

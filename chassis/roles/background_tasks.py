"""What the roles share: keeping endless tasks going."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from chassis.concurrency.backoff import jittered_delay_s
from chassis.observability.logging import get_logger

_log = get_logger()
_CANCEL_RETRY_INTERVAL_S: Final = 1.0


class BackgroundTasks:
    """Endless background work: what fails is logged and started again, until all is cancelled."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def keep_running(self, name: str, call: Callable[[], Awaitable[None]]) -> None:
        self._tasks.append(asyncio.create_task(_keep_running(name, call), name=name))

    async def cancel(self) -> None:
        """Cancels all, more than once where needed: the Mongo driver may swallow a cancellation."""
        running = {task for task in self._tasks if not task.done()}
        while running:
            for task in running:
                task.cancel()
            _, running = await asyncio.wait(running, timeout=_CANCEL_RETRY_INTERVAL_S)
        self._tasks.clear()


async def _keep_running(name: str, call: Callable[[], Awaitable[None]]) -> None:
    attempt = 0
    while True:
        try:
            return await call()
        except Exception:
            _log.exception("background task failed", task=name)
            await asyncio.sleep(jittered_delay_s(attempt))
            attempt += 1

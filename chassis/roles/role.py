"""What the roles share: their shape, and keeping endless tasks going."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from chassis.messaging.backoff import jittered
from chassis.observability.logging import get_logger
from chassis.readiness import Check

_log = get_logger()


class Role(Protocol):
    """The work of one process between start and stop."""

    def checks(self) -> list[Check]:
        """What has to answer for this role to be ready."""

    async def start(self) -> None: ...

    async def stop(self, grace_s: float) -> None:
        """Takes no new work, and gives what is in flight `grace_s` seconds to finish."""


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

"""Endless background tasks, used by both roles."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from chassis.concurrency.retry import RetryPolicy, retry_call_async
from chassis.concurrency.tasks import cancel_until_done
from chassis.observability.logging import get_logger

_log = get_logger()

_RESTART_POLICY: Final = RetryPolicy(initial_s=0.2, max_s=10.0)


class BackgroundTasks:
    """Endless background tasks: one that fails is logged and started again, until all are cancelled."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def keep_running(self, name: str, call: Callable[[], Awaitable[None]]) -> None:
        self._tasks.append(asyncio.create_task(_keep_running(name, call), name=name))

    async def cancel(self) -> None:
        """Cancel all tasks and wait for their ends."""
        await cancel_until_done(self._tasks)
        self._tasks.clear()


async def _keep_running(name: str, call: Callable[[], Awaitable[None]]) -> None:
    def report_error(error: Exception, _failures: int) -> bool:
        _log.exception("background task failed", task=name)
        return True

    await retry_call_async(call, _RESTART_POLICY, on=Exception, may_retry=report_error)

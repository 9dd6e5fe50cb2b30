"""Running several endless tasks as one, and cleaning up after them."""

import asyncio
from collections.abc import Collection, Coroutine
from contextlib import suppress
from typing import Any, Final

BEST_EFFORT_TIMEOUT_S: Final = 2.0
CANCEL_RETRY_INTERVAL_S: Final = 1.0
GROUP_CANCEL_INTERVAL_S: Final = 5.0
"""Longer than the cleanup that a task of a group may have to finish."""


async def run_until_first_exit(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run all until the first one ends; cancel the others until they end; raise the first error."""
    tasks = [asyncio.create_task(piece) for piece in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await cancel_until_done(tasks, GROUP_CANCEL_INTERVAL_S)
    for task in done:
        task.result()


async def best_effort(cleanup: Coroutine[Any, Any, None]) -> None:
    """Await `cleanup` briefly and ignore its failure: raised in a `finally`, it would hide another error."""
    with suppress(Exception):
        async with asyncio.timeout(BEST_EFFORT_TIMEOUT_S):
            await cleanup


async def cancel_until_done(
    tasks: Collection["asyncio.Task[None]"], interval_s: float = CANCEL_RETRY_INTERVAL_S
) -> None:
    """Cancel all tasks until each has ended: the Mongo driver may swallow a cancellation."""
    running = {task for task in tasks if not task.done()}
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=interval_s)
    await asyncio.gather(*tasks, return_exceptions=True)

"""Running several endless tasks as one, and cleaning up after them."""

import asyncio
from collections.abc import Collection, Coroutine
from contextlib import suppress
from typing import Any, Final

BEST_EFFORT_TIMEOUT_S: Final = 2.0
CANCEL_RETRY_INTERVAL_S: Final = 1.0


async def run_until_first_exit(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run all until the first one ends; cancel the others, and raise the error of the first."""
    tasks = [asyncio.create_task(piece) for piece in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def best_effort(cleanup: Coroutine[Any, Any, None]) -> None:
    """Await `cleanup` briefly and ignore its failure: raised in a `finally`, it would hide another error."""
    with suppress(Exception):
        async with asyncio.timeout(BEST_EFFORT_TIMEOUT_S):
            await cleanup


async def cancel_until_done(tasks: Collection["asyncio.Task[None]"]) -> None:
    """Cancel all tasks until each has ended: the Mongo driver may swallow a cancellation."""
    running = {task for task in tasks if not task.done()}
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=CANCEL_RETRY_INTERVAL_S)
    await asyncio.gather(*tasks, return_exceptions=True)

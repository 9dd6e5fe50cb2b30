"""Several pieces of work as one."""

import asyncio
from contextlib import suppress

import pytest

from chassis.concurrency import tasks
from chassis.concurrency.tasks import best_effort, run_until_first_exit
from tests.virtual_time import in_virtual_time


@in_virtual_time
async def test_the_first_failure_ends_the_others_and_is_raised() -> None:
    ended = asyncio.Event()

    async def endless() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async def failing() -> None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        await run_until_first_exit(endless(), failing())
    assert ended.is_set()


@in_virtual_time
async def test_cancelling_the_group_ends_every_task_even_when_a_cleanup_fails() -> None:
    async def broken() -> None:
        raise ConnectionError("gone")

    async def endless() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await best_effort(broken())

    whole = asyncio.create_task(run_until_first_exit(endless(), endless()))
    await asyncio.sleep(0.05)
    whole.cancel()
    async with asyncio.timeout(tasks.BEST_EFFORT_TIMEOUT_S + 1):
        await asyncio.gather(whole, return_exceptions=True)
    assert whole.cancelled()


@in_virtual_time
async def test_a_task_that_swallows_a_cancellation_does_not_hold_up_the_group() -> None:
    async def deaf() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        await asyncio.sleep(3600)

    async def failing() -> None:
        await asyncio.sleep(1)
        raise RuntimeError("broken")

    async with asyncio.timeout(2 * tasks.GROUP_CANCEL_INTERVAL_S):
        with pytest.raises(RuntimeError, match="broken"):
            await run_until_first_exit(deaf(), failing())


@in_virtual_time
async def test_a_best_effort_cleanup_is_bounded_in_time() -> None:
    async with asyncio.timeout(tasks.BEST_EFFORT_TIMEOUT_S + 1):
        await best_effort(asyncio.sleep(60))

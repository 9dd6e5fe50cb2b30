"""Several pieces of work as one."""

import asyncio

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
async def test_a_best_effort_cleanup_is_bounded_in_time() -> None:
    async with asyncio.timeout(tasks.BEST_EFFORT_TIMEOUT_S + 1):
        await best_effort(asyncio.sleep(60))

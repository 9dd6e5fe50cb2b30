"""Several pieces of work as one."""

import asyncio

import pytest

from chassis.messaging import tasks
from chassis.messaging.tasks import farewell, together
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
        await together(endless(), failing())
    assert ended.is_set()


@in_virtual_time
async def test_cancelling_the_whole_ends_every_piece_even_when_a_farewell_fails() -> None:
    async def broken() -> None:
        raise ConnectionError("gone")

    async def endless() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await farewell(broken())

    whole = asyncio.create_task(together(endless(), endless()))
    await asyncio.sleep(0.05)
    whole.cancel()
    async with asyncio.timeout(tasks.FAREWELL_TIMEOUT_S + 1):
        await asyncio.gather(whole, return_exceptions=True)
    assert whole.cancelled()


@in_virtual_time
async def test_a_farewell_takes_only_so_long() -> None:
    async with asyncio.timeout(tasks.FAREWELL_TIMEOUT_S + 1):
        await farewell(asyncio.sleep(60))

"""The driver's locks survive deadlines that come together."""

import asyncio

import pymongo.lock

import chassis.mongo.client  # noqa: F401 - mends the driver's waiting
from tests.virtual_time import in_virtual_time


@in_virtual_time
async def test_a_wait_that_is_cancelled_twice_leaves_the_drivers_lock_free() -> None:
    lock = pymongo.lock._async_create_lock()
    condition = pymongo.lock._async_create_condition(lock)

    async def wait() -> None:
        async with lock:
            await pymongo.lock._async_cond_wait(condition, 10.0)

    waiting = [asyncio.create_task(wait()) for _ in range(3)]
    await asyncio.sleep(1)
    async with lock:
        for task in waiting:
            task.cancel()
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.sleep(0)
    await asyncio.wait(waiting, timeout=60)
    async with asyncio.timeout(60), lock:
        assert lock.locked()

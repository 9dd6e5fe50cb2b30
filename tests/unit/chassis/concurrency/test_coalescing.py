"""Batches of what many ask for at once."""

import asyncio
import time
from collections.abc import Sequence

import pytest

from chassis.call_context import CallContext, bind_call, remaining_s
from chassis.concurrency.coalescing import Coalescer
from tests.virtual_time import in_virtual_time
from tests.waiting import WAIT_TIMEOUT_S


class HeldBatchHandler:
    """Doubles numbers, batch by batch; each batch waits to be let go."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.ended: list[list[int]] = []
        self.remaining: list[float | None] = []
        self.gate = asyncio.Event()

    async def __call__(self, items: Sequence[int]) -> Sequence[int | BaseException]:
        self.batches.append(list(items))
        self.remaining.append(remaining_s())
        await self.gate.wait()
        self.ended.append(list(items))
        return [ValueError(f"{item} is negative") if item < 0 else item * 2 for item in items]


@pytest.fixture
def work() -> HeldBatchHandler:
    return HeldBatchHandler()


def asking(coalescer: Coalescer[int, int], *items: int) -> list[asyncio.Task[int]]:
    return [asyncio.create_task(coalescer.submit(item)) for item in items]


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_one_who_asks_alone_waits_for_nobody(work: HeldBatchHandler) -> None:
    work.gate.set()
    assert await Coalescer(work, max_concurrent=1, max_batch=10).submit(21) == 42
    assert work.batches == [[21]]


async def test_who_asks_during_a_batch_goes_with_the_next_and_never_joins_the_one_under_way(
    work: HeldBatchHandler,
) -> None:
    coalescer = Coalescer(work, max_concurrent=1, max_batch=10)
    first = asking(coalescer, 1)
    await settle()
    others = asking(coalescer, 2, 3, 4)
    await settle()
    assert work.batches == [[1]]
    work.gate.set()
    assert await asyncio.gather(*first, *others) == [2, 4, 6, 8]
    assert work.batches == [[1], [2, 3, 4]]


async def test_no_more_batches_are_under_way_and_no_more_items_in_one_than_allowed(
    work: HeldBatchHandler,
) -> None:
    coalescer = Coalescer(work, max_concurrent=2, max_batch=3)
    first = asking(coalescer, 0)
    await settle()
    second = asking(coalescer, 1)
    await settle()
    rest = asking(coalescer, *range(2, 10))
    await settle()
    assert work.batches == [[0], [1]]
    work.gate.set()
    assert await asyncio.gather(*first, *second, *rest) == [number * 2 for number in range(10)]
    assert max(map(len, work.batches)) == 3


async def test_an_items_error_is_its_own(work: HeldBatchHandler) -> None:
    work.gate.set()
    good, bad, fine = asking(Coalescer(work, max_concurrent=1, max_batch=10), 1, -1, 2)
    with pytest.raises(ValueError, match="-1 is negative"):
        await bad
    assert (await good, await fine) == (2, 4)


async def test_an_error_of_the_whole_batch_reaches_all_of_it_and_not_the_next() -> None:
    outcomes = iter([LookupError("gone"), None])

    async def carry_out(items: Sequence[int]) -> Sequence[int]:
        outcome = next(outcomes)
        if outcome is not None:
            raise outcome
        return items

    coalescer = Coalescer(carry_out, max_concurrent=1, max_batch=10)
    for task in asking(coalescer, 1, 2):
        with pytest.raises(LookupError):
            await task
    assert await coalescer.submit(3) == 3


async def test_one_who_asks_at_the_moment_when_the_last_batch_ends_is_not_forgotten(
    work: HeldBatchHandler,
) -> None:
    work.gate.set()
    coalescer = Coalescer(work, max_concurrent=1, max_batch=10)
    for number in range(100):
        async with asyncio.timeout(WAIT_TIMEOUT_S):
            assert await coalescer.submit(number) == number * 2


async def test_one_who_gives_up_neither_ends_the_batch_of_the_others_nor_is_carried_out_later(
    work: HeldBatchHandler,
) -> None:
    coalescer = Coalescer(work, max_concurrent=1, max_batch=10)
    leaver, stayer = asking(coalescer, 1, 2)
    await settle()
    late_leaver, late_stayer = asking(coalescer, 3, 4)
    await settle()
    for task in (leaver, late_leaver):
        task.cancel()
    work.gate.set()
    assert [await stayer, await late_stayer] == [4, 8]
    assert work.batches == [[1, 2], [4]]


async def test_a_batch_that_nobody_waits_for_any_more_is_cancelled(work: HeldBatchHandler) -> None:
    coalescer = Coalescer(work, max_concurrent=1, max_batch=10)
    leavers = asking(coalescer, 1, 2)
    await settle()
    for task in leavers:
        task.cancel()
    await settle()
    work.gate.set()
    assert await coalescer.submit(3) == 6
    assert work.ended == [[3]]


@in_virtual_time
async def test_a_batch_has_the_time_of_the_caller_with_the_latest_deadline(work: HeldBatchHandler) -> None:
    work.gate.set()
    coalescer = Coalescer(work, max_concurrent=1, max_batch=10)

    async def ask_within(seconds: int) -> int:
        bind_call(CallContext(deadline=time.monotonic() + seconds))
        return await coalescer.submit(seconds)

    await asyncio.gather(*(asyncio.create_task(ask_within(seconds)) for seconds in (1, 60, 5)))
    [(batch, remaining)] = zip(work.batches, work.remaining, strict=True)
    assert batch == [1, 60, 5]
    assert remaining is not None
    assert remaining > 50

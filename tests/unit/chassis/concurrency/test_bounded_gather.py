"""Work on many items, a few at a time."""

import asyncio

import pytest

from chassis.concurrency.bounded_gather import gather_errors, run_for_each


async def test_no_more_items_are_worked_on_at_once_than_allowed() -> None:
    working = most = 0

    async def act(_: int) -> None:
        nonlocal working, most
        working += 1
        most = max(most, working)
        await asyncio.sleep(0)
        working -= 1

    assert await gather_errors(range(10), act, max_concurrent=3) == [None] * 10
    assert most == 3


async def test_every_item_is_tried_and_then_the_first_failure_raised() -> None:
    tried: list[int] = []

    async def act(item: int) -> None:
        tried.append(item)
        if item % 2:
            raise ValueError(f"item {item}")

    with pytest.raises(ValueError, match="item 1"):
        await run_for_each(range(6), act, max_concurrent=2)
    assert sorted(tried) == list(range(6))
    errors = await gather_errors(range(4), act, max_concurrent=2)
    assert [str(error) if error else "" for error in errors] == ["", "item 1", "", "item 3"]

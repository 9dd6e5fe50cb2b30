"""Concurrent work on many items with a bounded number in flight."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


async def run_for_each(
    items: Sequence[T], act: Callable[[T], Awaitable[None]], *, max_concurrent: int
) -> None:
    """Call `act` on every item; then raise the first failure, if any."""
    for outcome in await gather_errors(items, act, max_concurrent=max_concurrent):
        if outcome is not None:
            raise outcome


async def gather_errors(
    items: Sequence[T], act: Callable[[T], Awaitable[None]], *, max_concurrent: int
) -> list[BaseException | None]:
    """Call `act` on every item; return each one's failure, or None, in order."""
    slots = asyncio.Semaphore(max_concurrent)

    async def bounded(item: T) -> None:
        async with slots:
            await act(item)

    return await asyncio.gather(*map(bounded, items), return_exceptions=True)

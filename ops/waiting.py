"""Polling until a condition is true, within a bound."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


def wait_until(
    probe: Callable[[], T],
    *,
    timeout_s: float,
    interval_s: float,
    is_done: Callable[[T], Any] = bool,
    interval_growth: float = 1.0,
) -> T:
    """Call `probe` until `is_done` accepts its result or the time is over; return the last result.

    The caller checks that result, as only it knows what to do when the time is over.
    """
    until = time.monotonic() + timeout_s
    while not is_done(answer := probe()):
        if time.monotonic() > until:
            break
        time.sleep(interval_s)
        interval_s *= interval_growth
    return answer


async def wait_until_async(
    probe: Callable[[], Awaitable[T]],
    *,
    timeout_s: float,
    interval_s: float,
    is_done: Callable[[T], Any] = bool,
) -> T:
    """Wait as `wait_until` does, on an event loop."""
    until = time.monotonic() + timeout_s
    while not is_done(answer := await probe()):
        if time.monotonic() > until:
            break
        await asyncio.sleep(interval_s)
    return answer

"""Waiting for something to become true: one place, with a bound that a busy machine keeps as well.

The bound only ends a test that would never end. How fast something is belongs into a benchmark.
"""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

T = TypeVar("T")

WAIT_TIMEOUT_S: Final = 60.0
BUSY_MACHINE_MARGIN_S: Final = 10.0
"""The additional time for answers on a busy machine; a fault takes minutes."""
_POLL_INTERVAL_S: Final = 0.01


async def wait_until(look: Callable[[], Any], what: str = "", within_s: float = WAIT_TIMEOUT_S) -> Any:
    """Return the first true answer of `look`, a function or a coroutine function.

    Raises:
        TimeoutError: there was none in time; the message says what was waited for and the last answer.
    """
    ends = time.monotonic() + within_s
    while True:
        answer = look()
        found = await answer if inspect.isawaitable(answer) else answer
        if found:
            return found
        if time.monotonic() > ends:
            raise TimeoutError(_timeout_message(look, what, within_s, found))
        await asyncio.sleep(_POLL_INTERVAL_S)


def wait_until_blocking(
    look: Callable[[], T], what: str = "", *, within_s: float = WAIT_TIMEOUT_S, every_s: float = 0.1
) -> T:
    """Wait as `wait_until` does, without an event loop."""
    ends = time.monotonic() + within_s
    while not (found := look()):
        if time.monotonic() > ends:
            raise TimeoutError(_timeout_message(look, what, within_s, found))
        time.sleep(every_s)
    return found


async def run_ready_tasks(count: int = 50) -> None:
    """Let all ready tasks run, this number of times in a row."""
    for _ in range(count):
        await asyncio.sleep(0)


def _timeout_message(look: object, what: str, within_s: float, last: object) -> str:
    return (
        f"{what or getattr(look, '__name__', look)}: not within {within_s:g} s; the last answer was {last!r}"
    )

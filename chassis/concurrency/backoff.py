"""Exponential backoff with jitter."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

MAX_DOUBLINGS: Final = 16


def jittered_delay_s(attempt: int, *, base_s: float = 0.2, max_s: float = 10.0, jitter: float = 0.5) -> float:
    """Return the seconds to wait after the failed `attempt`, from 0: doubled each time, up to `max_s`.

    `jitter` is the share of them that is random, so that clients do not all return at once.
    """
    ceiling = min(max_s, base_s * 2 ** min(attempt, MAX_DOUBLINGS))
    return random.uniform(ceiling * (1 - jitter), ceiling)  # noqa: S311 - spreads load, guards nothing


class Backoff:
    """The growing delays of one endless loop, which begin again with the shortest after `reset`."""

    def __init__(self, *, base_s: float = 0.2, max_s: float = 10.0) -> None:
        self._base_s = base_s
        self._max_s = max_s
        self._failures = 0

    def reset(self) -> None:
        """Start again with the shortest delay: what was down has been reached."""
        self._failures = 0

    def next_delay_s(self) -> float:
        """Return the delay before the next attempt, and count this failure."""
        delay_s = jittered_delay_s(self._failures, base_s=self._base_s, max_s=self._max_s)
        self._failures += 1
        return delay_s


async def keep_reconnecting(
    follow: Callable[[Backoff], Awaitable[None]],
    report_error: Callable[[Exception], None],
    *,
    base_s: float = 0.2,
    max_s: float = 10.0,
) -> NoReturn:
    """Call `follow` until cancelled, a delay after each end or error; it resets its backoff at success."""
    backoff = Backoff(base_s=base_s, max_s=max_s)
    while True:
        try:
            await follow(backoff)
        except Exception as error:
            report_error(error)
        await asyncio.sleep(backoff.next_delay_s())

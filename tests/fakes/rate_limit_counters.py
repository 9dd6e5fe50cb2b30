"""Rate limit counters in this process's memory, which can be taken down and held up."""

import asyncio
import time
from collections.abc import Callable

from gateway.ratelimit.searches import Search, Typing
from gateway.ratelimit.store import Count, Hit, StoreDownError
from gateway.ratelimit.window import MICROSECONDS, Usage


def _now_us() -> int:
    return int(time.time() * MICROSECONDS)


class MemoryCounters:
    """`Counters` by the domain's arithmetic; `is_down` and `is_slow` keep it from answering."""

    def __init__(self, now_us: Callable[[], int] = _now_us) -> None:
        self.is_down = False
        self.is_slow = False
        self.asked: list[Hit] = []
        self.usages: dict[str, Usage] = {}
        self.typing: dict[str, Typing] = {}
        self._now_us = now_us

    async def count(self, hit: Hit) -> Count:
        self.asked.append(hit)
        if self.is_down:
            raise StoreDownError("taken down by the test", "open")
        if self.is_slow:
            await asyncio.sleep(3_600)
        now_us, usage = self._now_us(), self.usages.get(hit.key, Usage())
        if hit.search is not None:
            return self._searched(hit, hit.search, now_us, usage)
        admitted = usage.admits(hit.hits, hit.limit, now_us, hit.window_us)
        if admitted and hit.hits:
            usage = self.usages[hit.key] = usage.after(hit.hits, now_us, hit.window_us)
        return Count(admitted, now_us, usage)

    def _searched(self, hit: Hit, search: Search, now_us: int, usage: Usage) -> Count:
        last = self.typing.get(hit.key)
        continued = last and last.continued_by(search, now_us)
        if continued:
            self.typing[hit.key] = continued
            return Count(True, now_us, usage)
        admitted = usage.admits(hit.hits, hit.limit, now_us, hit.window_us)
        if admitted and hit.hits:
            usage = self.usages[hit.key] = usage.after(hit.hits, now_us, hit.window_us)
            self.typing[hit.key] = Typing(search, now_us)
        return Count(admitted, now_us, usage, last)

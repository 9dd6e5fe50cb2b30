"""Rate limit counters in this process's memory, which can be taken down and held up."""

import asyncio
import time
from collections.abc import Callable

from chassis.redis.nodes import StoreUnavailableError
from gateway.ratelimit.counter_store import CounterHit, CounterResult, LeaseRequest, LeaseResult, lease_hits
from gateway.ratelimit.sliding_window import MICROSECONDS_PER_SECOND, WindowUsage


def _now_us() -> int:
    return int(time.time() * MICROSECONDS_PER_SECOND)


class InMemoryCounterStore:
    """`CounterStore` by the domain's arithmetic; `is_down` and `is_slow` keep it from answering."""

    def __init__(self, now_us: Callable[[], int] = _now_us) -> None:
        self.is_down = False
        self.is_slow = False
        self.asked: list[CounterHit] = []
        self.usages: dict[str, WindowUsage] = {}
        self._now_us = now_us

    async def count(self, hit: CounterHit) -> CounterResult:
        self.asked.append(hit)
        if self.is_down:
            raise StoreUnavailableError("taken down by the test", "open")
        if self.is_slow:
            await asyncio.sleep(3_600)
        now_us, usage = self._now_us(), self.usages.get(hit.key, WindowUsage())
        admitted = usage.admits(hit.hits, hit.limit, now_us, hit.window_us)
        if admitted and hit.hits:
            usage = self.usages[hit.key] = usage.with_hits(hit.hits, now_us, hit.window_us)
        return CounterResult(admitted, now_us, usage)

    async def lease(self, request: LeaseRequest) -> LeaseResult:
        if self.is_down:
            raise StoreUnavailableError("taken down by the test", "open")
        if self.is_slow:
            await asyncio.sleep(3_600)
        lease = lease_hits(self.usages.get(request.key, WindowUsage()), request, self._now_us())
        self.usages[request.key] = lease.usage
        return lease

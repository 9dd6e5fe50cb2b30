"""The fake counters keep the contract that the real ones keep."""

import pytest

from gateway.ratelimit.counter_store import CounterStore
from gateway.ratelimit.sliding_window import MICROSECONDS_PER_SECOND
from tests.contracts.counter_store import CounterStoreContract
from tests.fakes.counter_store import InMemoryCounterStore


class TestMemoryCounters(CounterStoreContract):
    @pytest.fixture
    def counters(self) -> CounterStore:
        self.now_us = 1_790_000_000 * MICROSECONDS_PER_SECOND
        return InMemoryCounterStore(lambda: self.now_us)

    async def pass_time(self, seconds: float) -> None:
        self.now_us += int(seconds * MICROSECONDS_PER_SECOND)

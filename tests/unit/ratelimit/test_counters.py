"""The fake counters keep the contract that the real ones keep."""

import pytest

from gateway.ratelimit.store import Counters
from gateway.ratelimit.window import MICROSECONDS
from tests.contracts.rate_limit_counters import CountersContract
from tests.fakes.rate_limit_counters import MemoryCounters


class TestMemoryCounters(CountersContract):
    @pytest.fixture
    def counters(self) -> Counters:
        self.now_us = 1_790_000_000 * MICROSECONDS
        return MemoryCounters(lambda: self.now_us)

    async def pass_time(self, seconds: float) -> None:
        self.now_us += int(seconds * MICROSECONDS)

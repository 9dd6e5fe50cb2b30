"""The fake counters keep the contract that the real ones keep."""

import pytest

from gateway.ratelimit.store import Counters
from tests.contracts.rate_limit_counters import CountersContract
from tests.fakes.rate_limit_counters import MemoryCounters


class TestMemoryCounters(CountersContract):
    @pytest.fixture
    def counters(self) -> Counters:
        return MemoryCounters()

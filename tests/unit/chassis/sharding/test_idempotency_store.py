from datetime import UTC, datetime

import pytest

from chassis.clock import FixedClock
from chassis.sharding.idempotency_store import IdempotencyStore
from tests.contracts.claims import ClaimsContract
from tests.fakes.claims import InMemoryClaims


class TestClaimsInMemory(ClaimsContract):
    @pytest.fixture
    def clock(self) -> FixedClock:
        return FixedClock(datetime(2027, 1, 1, tzinfo=UTC))

    @pytest.fixture
    def claims(self, clock: FixedClock) -> IdempotencyStore:
        return InMemoryClaims(clock)

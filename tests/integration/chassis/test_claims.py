from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from chassis.clock import FixedClock
from chassis.idempotency import Claims, MongoClaims
from tests.contracts.claims import ClaimsContract
from tests.databases import own_databases
from tests.stack import Stack


class TestClaimsOnMongo(ClaimsContract):
    @pytest.fixture
    def clock(self) -> FixedClock:
        return FixedClock(datetime.now(UTC))

    @pytest.fixture
    async def claims(self, clock: FixedClock) -> AsyncIterator[Claims]:
        async with own_databases(Stack.under_test(), "claims", (), clock=clock) as shards:
            yield MongoClaims(shards, clock)

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from chassis.clock import FixedClock
from chassis.sharding.idempotency_store import IdempotencyStore, MongoIdempotencyStore
from tests.contracts.claims import ClaimsContract
from tests.databases import own_databases
from tests.stack import StackHandle


class TestClaimsOnMongo(ClaimsContract):
    @pytest.fixture
    def clock(self) -> FixedClock:
        return FixedClock(datetime.now(UTC))

    @pytest.fixture
    async def claims(self, clock: FixedClock) -> AsyncIterator[IdempotencyStore]:
        async with own_databases(StackHandle.under_test(), "claims", (), clock=clock) as shards:
            yield MongoIdempotencyStore(shards, clock)

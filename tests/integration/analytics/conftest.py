"""The analytics service in this process, on real stores."""

from collections.abc import AsyncIterator, Iterator

import pytest

from chassis.sharding.shards import Shards
from services.analytics.repository import COLLECTIONS
from tests.databases import own_databases
from tests.integration.scratch_broker import scratch_vhost
from tests.stack import StackHandle


@pytest.fixture(scope="session")
def stack() -> StackHandle:
    return StackHandle.under_test()


@pytest.fixture(scope="session")
def amqp_url(stack: StackHandle) -> Iterator[str]:
    with scratch_vhost(stack) as url:
        yield url


@pytest.fixture
async def shards(stack: StackHandle) -> AsyncIterator[Shards]:
    async with own_databases(stack, "analytics", COLLECTIONS) as shards:
        yield shards

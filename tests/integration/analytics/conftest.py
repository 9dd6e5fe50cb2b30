"""The analytics service in this process, on real stores."""

from collections.abc import AsyncIterator, Iterator

import pytest

from chassis.mongo.shards import Shards
from services.analytics.store import COLLECTIONS
from tests.databases import own_databases
from tests.integration.scratch import scratch_vhost
from tests.stack import Stack


@pytest.fixture(scope="session")
def stack() -> Stack:
    return Stack.under_test()


@pytest.fixture(scope="session")
def amqp_url(stack: Stack) -> Iterator[str]:
    with scratch_vhost(stack) as url:
        yield url


@pytest.fixture
async def shards(stack: Stack) -> AsyncIterator[Shards]:
    async with own_databases(stack, "analytics", COLLECTIONS) as shards:
        yield shards

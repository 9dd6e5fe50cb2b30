"""The internship service on the stack's stores."""

import secrets
from collections.abc import AsyncIterator

import pytest
from redis.asyncio.cluster import RedisCluster

from chassis.cache import Cache
from chassis.redis.client import connect_redis
from chassis.sharding.shards import Shards
from services.internship.repository import COLLECTIONS
from tests.databases import own_databases
from tests.integration.internship.harness import InternshipHarness
from tests.stack import StackHandle


@pytest.fixture(scope="session")
async def shards() -> AsyncIterator[Shards]:
    """Yield shards with databases of this run's own."""
    async with own_databases(StackHandle.under_test(), "internship", COLLECTIONS) as shards:
        yield shards


@pytest.fixture(scope="session")
async def redis() -> AsyncIterator[RedisCluster]:
    """Yield a client of the stack's Redis Cluster."""
    stack = StackHandle.under_test()
    nodes = [f"{host}:{port}" for host, port in stack.redis_nodes]
    redis = connect_redis(nodes, stack.credentials.redis_password)
    yield redis
    await redis.aclose()


@pytest.fixture(scope="session")
async def cache(redis: RedisCluster) -> AsyncIterator[Cache]:
    """Yield a cache with a namespace of this run's own on the stack's Redis Cluster."""
    cache = Cache(redis, f"test-{secrets.token_hex(4)}")
    yield cache
    await cache.aclose()


@pytest.fixture
def world(shards: Shards, cache: Cache, redis: RedisCluster) -> InternshipHarness:
    """Return the service with a clock that stands still."""
    return InternshipHarness(shards, cache, redis)

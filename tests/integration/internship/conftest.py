"""The internship service on the stack's stores."""

import secrets
from collections.abc import AsyncIterator

import pytest
from redis.asyncio.cluster import RedisCluster

from chassis.cache import Cache
from chassis.mongo.shards import Shards
from chassis.redis import connect
from services.internship.store import COLLECTIONS
from tests.databases import own_databases
from tests.integration.internship.world import World
from tests.stack import Stack


@pytest.fixture(scope="session")
async def shards() -> AsyncIterator[Shards]:
    """Databases of this run's own."""
    async with own_databases(Stack.under_test(), "internship", COLLECTIONS) as shards:
        yield shards


@pytest.fixture(scope="session")
async def redis() -> AsyncIterator[RedisCluster]:
    """The stack's Redis Cluster."""
    stack = Stack.under_test()
    nodes = [f"{host}:{port}" for host, port in stack.redis_nodes]
    redis = connect(nodes, stack.credentials.redis_password)
    yield redis
    await redis.aclose()


@pytest.fixture(scope="session")
async def cache(redis: RedisCluster) -> AsyncIterator[Cache]:
    """A namespace of this run's own on the stack's Redis Cluster."""
    cache = Cache(redis, f"test-{secrets.token_hex(4)}")
    yield cache
    await cache.aclose()


@pytest.fixture
def world(shards: Shards, cache: Cache, redis: RedisCluster) -> World:
    """The service with a clock that stands still."""
    return World(shards, cache, redis)

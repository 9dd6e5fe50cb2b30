"""The cache on a real Redis Cluster: the contract, and nodes that stop and come back."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

import pytest
from redis.asyncio.cluster import RedisCluster

from chassis.cache import Cache, CacheStore
from chassis.cache.redis_store import RedisCacheStore
from chassis.redis.client import connect_redis
from internshipconnect.events.v1.events_pb2 import UserVerified
from tests.contracts.cache_store import CacheStoreContract
from tests.stack import StackHandle
from tests.waiting import wait_until

MAX_TOTAL_WAIT_S = 15.0
"""What sixty keys take on a busy machine, unless each waits for a node that is gone."""
NODES = ("redis-1", "redis-2", "redis-3")


@contextmanager
def within(seconds: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds


class TestRedisStore(CacheStoreContract):
    @pytest.fixture
    async def store(self, redis: RedisCluster) -> AsyncIterator[CacheStore]:
        store = RedisCacheStore(redis, answer_timeout_s=5.0)
        yield store
        await store.aclose()


class CountingLoader:
    def __init__(self) -> None:
        self.loads = 0

    async def load(self) -> UserVerified:
        self.loads += 1
        return UserVerified(user_id=str(self.loads))


@pytest.fixture
def counter() -> CountingLoader:
    return CountingLoader()


@pytest.fixture
async def cache(redis: RedisCluster) -> AsyncIterator[Cache]:
    cache = Cache(redis, f"test-{secrets.token_hex(4)}")
    yield cache
    await cache.aclose()


async def read_all(cache: Cache, counter: CountingLoader, count: int = 60) -> int:
    """Read this number of keys, spread over all nodes; return how many had to be loaded."""
    before = counter.loads
    for number in range(count):
        assert await cache.read_through(f"{number}", 60, counter.load)
    return counter.loads - before


async def connections_that_end_are_noticed() -> None:
    """Wait until this process has noticed them: `stopped` blocks the event loop."""
    await asyncio.sleep(0.05)


async def until_all_are_hits(cache: Cache, counter: CountingLoader) -> None:
    async def are_hits() -> bool:
        return await read_all(cache, counter) == 0

    await wait_until(are_hits)


async def test_what_was_read_once_is_not_loaded_again(cache: Cache, counter: CountingLoader) -> None:
    await until_all_are_hits(cache, counter)

    assert await read_all(cache, counter) == 0


async def test_two_processes_share_their_answers_and_their_drops(
    stack: StackHandle, counter: CountingLoader
) -> None:
    namespace = f"test-{secrets.token_hex(4)}"
    nodes = [f"{host}:{port}" for host, port in stack.redis_nodes]
    clients = [connect_redis(nodes, stack.credentials.redis_password) for _ in range(2)]
    here, there = (Cache(client, namespace) for client in clients)

    async def is_shared() -> bool:
        # On a busy machine the first connections may take too long: then each loads its own.
        one = await here.read_through("k", 60, counter.load)
        return one == await there.read_through("k", 60, counter.load)

    await wait_until(is_shared)
    loads = counter.loads
    await there.invalidate("k")

    async def is_loaded_again() -> bool:
        await here.read_through("k", 60, counter.load)
        return counter.loads > loads

    await wait_until(is_loaded_again)

    for cache, client in zip((here, there), clients, strict=True):
        await cache.aclose()
        await client.aclose()


async def test_a_node_that_stops_costs_its_own_keys_their_caching_and_nobody_an_error(
    cache: Cache, counter: CountingLoader, stack: StackHandle, stopped: Callable[[str], None]
) -> None:
    await until_all_are_hits(cache, counter)
    stopped("redis-2")
    await connections_that_end_are_noticed()

    assert 0 < await read_all(cache, counter) < 60
    with within(MAX_TOTAL_WAIT_S):
        loaded = await read_all(cache, counter)
    assert 5 < loaded < 40

    stack.start("redis-2")
    await until_all_are_hits(cache, counter)


async def test_without_any_node_every_answer_is_loaded_without_waiting_and_caching_resumes_by_itself(
    cache: Cache, counter: CountingLoader, stack: StackHandle, stopped: Callable[[str], None]
) -> None:
    await until_all_are_hits(cache, counter)
    for node in NODES:
        stopped(node)
    await connections_that_end_are_noticed()
    await read_all(cache, counter)

    with within(MAX_TOTAL_WAIT_S):
        assert await read_all(cache, counter) == 60

    for node in NODES:
        stack.start(node)
    await until_all_are_hits(cache, counter)


async def test_a_drop_while_the_node_is_down_is_made_up_for_when_it_is_back(
    cache: Cache, counter: CountingLoader, stack: StackHandle, stopped: Callable[[str], None]
) -> None:
    await until_all_are_hits(cache, counter)
    before = {n: await cache.read_through(f"{n}", 60, counter.load) for n in range(60)}
    stopped("redis-1")
    with within(MAX_TOTAL_WAIT_S):
        await cache.invalidate(*(f"{n}" for n in range(60)))

    stack.start("redis-1")
    stack.await_ready("redis-1")

    async def none_is_outdated() -> bool:
        after = {n: await cache.read_through(f"{n}", 60, counter.load) for n in range(60)}
        return not {n for n in before if before[n] == after[n]}

    await wait_until(none_is_outdated)


async def test_a_service_can_start_without_redis(
    stack: StackHandle, counter: CountingLoader, stopped: Callable[[str], None]
) -> None:
    for node in NODES:
        stopped(node)
    nodes = [f"{host}:{port}" for host, port in stack.redis_nodes]
    client = connect_redis(nodes, stack.credentials.redis_password)
    cache = Cache(client, f"test-{secrets.token_hex(4)}")

    with within(MAX_TOTAL_WAIT_S):
        assert await read_all(cache, counter) == 60

    for node in NODES:
        stack.start(node)
    await until_all_are_hits(cache, counter)
    await cache.aclose()
    await client.aclose()

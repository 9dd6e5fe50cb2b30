"""The counters on a real Redis Cluster: the contract, the script's arithmetic, and scripts that are gone."""

import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio.cluster import RedisCluster
from redis.cluster import ClusterNode
from redis.cluster import RedisCluster as BlockingCluster

from chassis.redis.client import connect_redis
from gateway.ratelimit.counter_store import CounterHit, CounterStore, LeaseRequest, lease_hits
from gateway.ratelimit.redis_counter_store import HIT_SCRIPT, LEASE_SCRIPT, CounterScript, RedisCounterStore
from gateway.ratelimit.sliding_window import MICROSECONDS_PER_SECOND, HitRun, WindowUsage
from tests.contracts.counter_store import CounterStoreContract
from tests.stack import StackHandle

S = MICROSECONDS_PER_SECOND
W = 60 * S
"""So long that no counter expires by the real clock, which is not turned here."""
START = 1_700_000_000 * S


@pytest.fixture
async def redis(stack: StackHandle) -> AsyncIterator[RedisCluster]:
    nodes = [f"{host}:{port}" for host, port in stack.redis_nodes]
    redis = connect_redis(nodes, stack.credentials.redis_password)
    yield redis
    await redis.aclose()


@pytest.fixture
async def counters(redis: RedisCluster) -> AsyncIterator[RedisCounterStore]:
    counters = RedisCounterStore(redis, timeout_s=5.0)
    yield counters
    await counters.aclose()


class TestRedisCounters(CounterStoreContract):
    @pytest.fixture
    async def counters(self, redis: RedisCluster) -> AsyncIterator[CounterStore]:
        counters = RedisCounterStore(redis, timeout_s=5.0)
        await counters.connect()
        yield counters
        await counters.aclose()


async def test_a_counter_takes_one_short_value_and_expires_after_two_windows(
    counters: RedisCounterStore, redis: RedisCluster
) -> None:
    key = f"ratelimit|test|{secrets.token_hex(8)}"
    for _ in range(50):
        await counters.count(CounterHit(key, 1, 20, W))
    assert 0 < await redis.strlen(key) < 120
    assert 100_000 < await redis.pttl(key) <= 120_000


async def test_asking_or_being_refused_leaves_nothing_behind(
    counters: RedisCounterStore, redis: RedisCluster
) -> None:
    key = f"ratelimit|test|{secrets.token_hex(8)}"
    await counters.count(CounterHit(key, 0, 20, W))
    await counters.count(CounterHit(key, 1, 0, W))
    assert await redis.exists(key) == 0


async def test_a_node_that_forgot_the_script_is_taught_it_again(
    counters: RedisCounterStore, redis: RedisCluster
) -> None:
    key = f"ratelimit|test|{secrets.token_hex(8)}"
    assert (await counters.count(CounterHit(key, 1, 2, W))).admitted
    await redis.script_flush()
    assert (await counters.count(CounterHit(key, 1, 2, W))).admitted
    assert not (await counters.count(CounterHit(key, 1, 2, W))).admitted


@pytest.fixture(scope="module")
def blocking(stack: StackHandle) -> Iterator[Any]:
    nodes = [ClusterNode(host, port) for host, port in stack.redis_nodes]  # type: ignore[no-untyped-call]
    cluster = BlockingCluster(startup_nodes=nodes, password=stack.credentials.redis_password)
    yield cluster
    cluster.close()


def at_given_times(script: CounterScript = HIT_SCRIPT) -> str:
    """Return the script, with the time as its last argument."""
    clock = "redis.call('TIME')"
    assert script.source.count(clock) == 1
    return script.source.replace(clock, "{ math.floor(ARGV[#ARGV] / 1000000), ARGV[#ARGV] % 1000000 }")


@settings(max_examples=60, deadline=None)
@given(
    limit=st.integers(0, 12),
    steps=st.lists(st.tuples(st.integers(0, 2 * W) | st.sampled_from([0, 1, W - 1, W]), st.integers(0, 5))),
)
def test_the_script_counts_as_the_domain_does(
    blocking: Any, limit: int, steps: list[tuple[int, int]]
) -> None:
    key, now, usage = f"ratelimit|test|{secrets.token_hex(8)}", START, WindowUsage()
    for gap, hits in steps:
        now += gap
        admitted = usage.admits(hits, limit, now, W)
        if admitted and hits:
            usage = usage.with_hits(hits, now, W)
        answer = blocking.eval(at_given_times(), 1, key, hits, limit, W, now)
        assert (bool(answer[0]), answer[1]) == (admitted, now)
        assert WindowUsage(HitRun(*answer[2:5]), HitRun(*answer[5:])) == usage


@settings(max_examples=60, deadline=None)
@given(
    limit=st.integers(0, 12),
    steps=st.lists(
        st.tuples(
            st.integers(0, 2 * W) | st.sampled_from([0, 1, W - 1, W]),
            st.integers(0, 4),
            st.integers(0, 4),
            st.integers(0, 20),
            st.booleans(),
        )
    ),
)
def test_the_script_leases_as_the_domain_does(
    blocking: Any, limit: int, steps: list[tuple[int, int, int, int, bool]]
) -> None:
    key, now, usage = f"ratelimit|test|{secrets.token_hex(8)}", START, WindowUsage()
    for gap, owed, returned, wanted, is_previous in steps:
        now += gap
        run_us = (usage.previous if is_previous else usage.current).first_us
        lease = lease_hits(usage, LeaseRequest(key, limit, W, owed, returned, run_us, wanted), now)
        usage = lease.usage
        arguments = (owed, returned, run_us, wanted, limit, W, now)
        answer = blocking.eval(at_given_times(LEASE_SCRIPT), 1, key, *arguments)
        assert (answer[0], answer[1]) == (lease.granted, now)
        assert WindowUsage(HitRun(*answer[2:5]), HitRun(*answer[5:])) == usage


def test_a_clock_that_went_back_forgets_nothing(blocking: Any) -> None:
    key = f"ratelimit|test|{secrets.token_hex(8)}"
    for _ in range(3):
        assert blocking.eval(at_given_times(), 1, key, 1, 3, W, START)[0] == 1
    earlier = blocking.eval(at_given_times(), 1, key, 1, 3, W, START - W // 2)
    assert earlier[:2] == [0, START]

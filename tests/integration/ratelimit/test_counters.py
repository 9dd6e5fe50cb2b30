"""The counters on a real Redis Cluster: the contract, the script's arithmetic, and scripts that are gone."""

import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio.cluster import RedisCluster
from redis.cluster import ClusterNode
from redis.cluster import RedisCluster as BlockingCluster

from chassis.redis import connect
from gateway.ratelimit import store
from gateway.ratelimit.store import Counters, Hit, RedisCounters
from gateway.ratelimit.window import MICROSECONDS, Run, Usage
from tests.contracts.rate_limit_counters import CountersContract
from tests.stack import Stack

S = MICROSECONDS
W = 60 * S
"""So long that no counter expires by the real clock, which is not turned here."""
START = 1_700_000_000 * S


@pytest.fixture
async def redis(stack: Stack) -> AsyncIterator[RedisCluster]:
    nodes = [f"{host}:{port}" for host, port in stack.redis_nodes]
    redis = connect(nodes, stack.credentials.redis_password)
    yield redis
    await redis.aclose()


@pytest.fixture
async def counters(redis: RedisCluster) -> AsyncIterator[RedisCounters]:
    counters = RedisCounters(redis, answer_within_s=5.0)
    yield counters
    await counters.aclose()


class TestRedisCounters(CountersContract):
    @pytest.fixture
    async def counters(self, redis: RedisCluster) -> AsyncIterator[Counters]:
        counters = RedisCounters(redis, answer_within_s=5.0)
        await counters.contact()
        yield counters
        await counters.aclose()


async def test_a_counter_takes_one_short_value_and_expires_after_two_windows(
    counters: RedisCounters, redis: RedisCluster
) -> None:
    key = f"ratelimit|test|{secrets.token_hex(8)}"
    for _ in range(50):
        await counters.count(Hit(key, 1, 20, W))
    assert 0 < await redis.strlen(key) < 120
    assert 100_000 < await redis.pttl(key) <= 120_000


async def test_asking_or_being_refused_leaves_nothing_behind(
    counters: RedisCounters, redis: RedisCluster
) -> None:
    key = f"ratelimit|test|{secrets.token_hex(8)}"
    await counters.count(Hit(key, 0, 20, W))
    await counters.count(Hit(key, 1, 0, W))
    assert await redis.exists(key) == 0


async def test_a_node_that_forgot_the_script_is_taught_it_again(
    counters: RedisCounters, redis: RedisCluster
) -> None:
    key = f"ratelimit|test|{secrets.token_hex(8)}"
    assert (await counters.count(Hit(key, 1, 2, W))).admitted
    await redis.script_flush()
    assert (await counters.count(Hit(key, 1, 2, W))).admitted
    assert not (await counters.count(Hit(key, 1, 2, W))).admitted


@pytest.fixture(scope="module")
def blocking(stack: Stack) -> Iterator[Any]:
    nodes = [ClusterNode(host, port) for host, port in stack.redis_nodes]  # type: ignore[no-untyped-call]
    cluster = BlockingCluster(startup_nodes=nodes, password=stack.credentials.redis_password)
    yield cluster
    cluster.close()


def at_given_times() -> str:
    """The script, with the time as its last argument."""
    script = Path(store.__file__).with_name("hit.lua").read_text()
    clock = "redis.call('TIME')"
    assert script.count(clock) == 1
    return script.replace(clock, "{ math.floor(ARGV[4] / 1000000), ARGV[4] % 1000000 }")


@settings(max_examples=60, deadline=None)
@given(
    limit=st.integers(0, 12),
    steps=st.lists(st.tuples(st.integers(0, 2 * W) | st.sampled_from([0, 1, W - 1, W]), st.integers(0, 5))),
)
def test_the_script_counts_as_the_domain_does(
    blocking: Any, limit: int, steps: list[tuple[int, int]]
) -> None:
    key, now, usage = f"ratelimit|test|{secrets.token_hex(8)}", START, Usage()
    for gap, hits in steps:
        now += gap
        admitted = usage.admits(hits, limit, now, W)
        if admitted and hits:
            usage = usage.after(hits, now, W)
        answer = blocking.eval(at_given_times(), 1, key, hits, limit, W, now)
        assert (bool(answer[0]), answer[1]) == (admitted, now)
        assert Usage(Run(*answer[2:5]), Run(*answer[5:])) == usage


def test_a_clock_that_went_back_forgets_nothing(blocking: Any) -> None:
    key = f"ratelimit|test|{secrets.token_hex(8)}"
    for _ in range(3):
        assert blocking.eval(at_given_times(), 1, key, 1, 3, W, START)[0] == 1
    earlier = blocking.eval(at_given_times(), 1, key, 1, 3, W, START - W // 2)
    assert earlier[:2] == [0, START]

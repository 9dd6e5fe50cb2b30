"""Near copies over a real Redis Cluster: two processes' caches, and connections that end."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from copy import copy
from typing import Any

import pytest
from redis.asyncio.cluster import ClusterNode, RedisCluster

from chassis.cache import Cache
from chassis.cache.invalidation_stream import InvalidationStream
from chassis.cache.redis_store import RedisCacheStore
from chassis.cache.redis_tracking import RedisInvalidationSource
from chassis.observability.metrics import cache_requests
from chassis.redis.client import connect_redis
from internshipconnect.events.v1.events_pb2 import UserVerified
from tests.stack import StackHandle
from tests.waiting import WAIT_TIMEOUT_S, wait_until

KEY = "some listing"
NODES = ("redis-1", "redis-2", "redis-3")


class StoredValues:
    """The source of the answers."""

    def __init__(self) -> None:
        self.value = "first"
        self.loads = 0

    async def load(self) -> UserVerified:
        self.loads += 1
        return UserVerified(user_id=self.value)


class CacheProcess:
    """A cache with a Redis client of its own, as another process of the service would have."""

    def __init__(self, stack: StackHandle, namespace: str, truth: StoredValues) -> None:
        nodes = [f"{host}:{port}" for host, port in stack.redis_nodes]
        self.redis = connect_redis(nodes, stack.credentials.redis_password)
        self.cache = Cache(self.redis, namespace)
        self._truth = truth

    async def read(self, key: str = KEY) -> str:
        answer = await self.cache.read_through(key, 60, self._truth.load)
        return UserVerified.FromString(answer or b"").user_id

    async def is_near(self, key: str = KEY) -> bool:
        """Return whether a read of `key` is answered by a local copy."""
        before = near_hits()
        await self.read(key)
        return near_hits() == before + 1

    async def until_near(self, key: str = KEY) -> None:
        await wait_until(lambda: self.is_near(key))

    def reads(self, value: str, key: str = KEY) -> Callable[[], Awaitable[bool]]:
        """Return a check whether a read brings this value."""

        async def look() -> bool:
            return await self.read(key) == value

        return look

    def has_heard_of(self, key: str) -> Callable[[], bool]:
        """Return a check whether an invalidation of this key has arrived since this call."""
        heard: list[str] = []
        forget = self.cache._local.invalidate

        def note(key: str) -> None:
            heard.append(key)
            forget(key)

        self.cache._local.invalidate = note  # type: ignore[method-assign]
        return lambda: f"{self.cache._namespace}:{key}" in heard

    async def aclose(self) -> None:
        await self.cache.aclose()
        await self.redis.aclose()


class RecordingListener:
    """A listener that records its calls."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.ended: list[InvalidationStream] = []

    def invalidate(self, key: str) -> None:
        self.keys.append(key)

    def invalidate_stream(self, stream: InvalidationStream) -> None:
        self.ended.append(stream)


def near_hits() -> float:
    return float(cache_requests.labels("near", "hit")._value.get())


@pytest.fixture
def truth() -> StoredValues:
    return StoredValues()


@pytest.fixture
def namespace() -> str:
    return f"test-{secrets.token_hex(4)}"


@pytest.fixture
async def here(stack: StackHandle, namespace: str, truth: StoredValues) -> AsyncIterator[CacheProcess]:
    process = CacheProcess(stack, namespace, truth)
    yield process
    await process.aclose()


@pytest.fixture
async def there(stack: StackHandle, namespace: str, truth: StoredValues) -> AsyncIterator[CacheProcess]:
    process = CacheProcess(stack, namespace, truth)
    yield process
    await process.aclose()


@pytest.fixture
def heard() -> RecordingListener:
    return RecordingListener()


@pytest.fixture
async def tracking(
    redis: RedisCluster, namespace: str, heard: RecordingListener
) -> AsyncIterator[RedisInvalidationSource]:
    """Yield a source that tracks the node of `KEY` already."""
    await redis.initialize()
    tracking = RedisInvalidationSource(redis, namespace)
    tracking.subscribe(heard)
    await watch_of(tracking, f"{namespace}:{KEY}")
    yield tracking
    await tracking.aclose()


async def watch_of(
    tracking: RedisInvalidationSource, key: str, within_s: float = WAIT_TIMEOUT_S
) -> InvalidationStream:
    async def is_watched() -> bool:
        return tracking.stream_for(key) is not None

    await wait_until(is_watched, within_s=within_s)
    watch = tracking.stream_for(key)
    assert watch is not None
    return watch


async def trackers(redis: RedisCluster, node: ClusterNode, namespace: str) -> list[dict[str, Any]]:
    """Return the connections on which `node` announces changes of the namespace."""
    clients = await redis.client_list(target_nodes=node)
    return [client for client in clients if client["name"] == f"tracking-{namespace}:"]


async def test_a_warm_read_needs_no_redis(here: CacheProcess, truth: StoredValues) -> None:
    await here.until_near()

    assert [await here.is_near() for _ in range(5)] == [True] * 5
    assert truth.loads == 1


async def test_an_invalidation_in_one_process_reaches_the_other_without_asking_redis(
    here: CacheProcess, there: CacheProcess, truth: StoredValues
) -> None:
    await here.until_near()
    truth.value = "second"
    await there.cache.invalidate(KEY)

    async def is_dropped() -> bool:
        return here.cache._local.find(f"{here.cache._namespace}:{KEY}") is None

    await wait_until(is_dropped)
    assert await here.read() == "second"


async def test_the_new_answer_is_kept_near_again(
    here: CacheProcess, there: CacheProcess, truth: StoredValues
) -> None:
    await here.until_near()
    truth.value = "second"
    await there.cache.invalidate(KEY)
    await wait_until(here.reads("second"))
    await here.until_near()

    assert await here.read() == "second"


async def test_an_answer_that_an_invalidation_overtakes_is_not_kept(
    here: CacheProcess, there: CacheProcess, truth: StoredValues, monkeypatch: pytest.MonkeyPatch
) -> None:
    await here.until_near()
    here.cache._local.invalidate(f"{here.cache._namespace}:{KEY}")
    read, let_go = asyncio.Event(), asyncio.Event()
    get = RedisCacheStore.get

    async def held_get(store: RedisCacheStore, key: str) -> bytes | None:
        found = await get(store, key)
        read.set()
        await let_go.wait()
        return found

    monkeypatch.setattr(RedisCacheStore, "get", held_get)
    overtaken = asyncio.create_task(here.read())
    await read.wait()
    truth.value = "second"
    has_heard = here.has_heard_of(KEY)
    await there.cache.invalidate(KEY)
    await wait_until(has_heard)
    let_go.set()

    assert await overtaken == "first"
    assert await here.read() == "second"


async def test_an_entry_that_expires_in_redis_is_reported(
    redis: RedisCluster, tracking: RedisInvalidationSource, namespace: str, heard: RecordingListener
) -> None:
    await redis.set(f"{namespace}:{KEY}", "value", px=50)

    async def told_twice() -> bool:
        await redis.get(f"{namespace}:{KEY}")
        return heard.keys == [f"{namespace}:{KEY}"] * 2

    await wait_until(told_twice)


async def test_changes_under_other_namespaces_and_to_stale_copies_are_not_reported(
    redis: RedisCluster, tracking: RedisInvalidationSource, namespace: str, heard: RecordingListener
) -> None:
    await redis.set(f"{{{namespace}:{KEY}}}:spare", "value", px=50)
    await redis.set(f"another-{namespace}:{{{namespace}:{KEY}}}", "value", px=50)
    # On the same node, as the part in braces decides, and announced after anything about the others.
    last = f"{namespace}:{{{namespace}:{KEY}}}"
    await redis.set(last, "value", ex=60)
    await wait_until(lambda: last in heard.keys)

    assert heard.keys == [last]


async def test_a_foreign_key_that_is_no_text_does_not_end_the_watch(
    redis: RedisCluster, tracking: RedisInvalidationSource, namespace: str, heard: RecordingListener
) -> None:
    before = tracking.stream_for(f"{namespace}:{KEY}")
    # In braces is what decides on the node.
    await redis.set(f"{namespace}:".encode() + b"\xff{" + f"{namespace}:{KEY}".encode() + b"}", "v", ex=5)
    await wait_until(lambda: heard.keys)

    assert len(heard.keys) == 1
    assert tracking.stream_for(f"{namespace}:{KEY}") is before


async def test_a_node_that_is_emptied_ends_the_watch_and_begins_another(
    redis: RedisCluster, tracking: RedisInvalidationSource, namespace: str, heard: RecordingListener
) -> None:
    key = f"{namespace}:{KEY}"
    before = tracking.stream_for(key)
    await redis.flushdb(target_nodes=redis.get_node_from_key(key))
    await wait_until(lambda: heard.ended)

    assert heard.ended == [before]
    await wait_until(lambda: tracking.stream_for(key) not in (None, before))


async def test_a_tracking_connection_that_is_killed_ends_the_watch_and_tracking_resumes(
    redis: RedisCluster, tracking: RedisInvalidationSource, namespace: str, heard: RecordingListener
) -> None:
    key = f"{namespace}:{KEY}"
    before, node = tracking.stream_for(key), redis.get_node_from_key(key)
    assert node is not None
    (connection,) = await trackers(redis, node, namespace)
    await redis.client_kill_filter(_id=connection["id"], target_nodes=node)
    await wait_until(lambda: heard.ended)
    assert heard.ended == [before]

    assert await watch_of(tracking, key) is not before
    await redis.set(key, "value", px=50)
    await wait_until(lambda: key in heard.keys)


async def test_a_node_that_the_client_has_replaced_is_tracked_again(
    redis: RedisCluster, tracking: RedisInvalidationSource, namespace: str, heard: RecordingListener
) -> None:
    key = f"{namespace}:{KEY}"
    before, node = tracking.stream_for(key), redis.get_node_from_key(key)
    assert node is not None
    replacement = copy(node)
    redis.nodes_manager.slots_cache[redis.keyslot(key)] = [replacement]
    redis.nodes_manager.nodes_cache[node.name] = replacement

    assert tracking.stream_for(key) is None
    assert heard.ended == [before]
    assert await watch_of(tracking, key) is not before
    assert len(await trackers(redis, node, namespace)) == 1


async def test_a_process_that_only_drops_opens_no_tracking_connection_and_one_that_closed_has_none_left(
    here: CacheProcess, redis: RedisCluster, namespace: str
) -> None:
    async def tracking_connections() -> int:
        return sum([len(await trackers(redis, node, namespace)) for node in redis.get_primaries()])

    await redis.initialize()
    await here.cache.invalidate(KEY)
    assert await tracking_connections() == 0
    await here.until_near()
    assert await tracking_connections() == 1
    await here.cache.aclose()

    async def are_gone() -> bool:
        return await tracking_connections() == 0

    await wait_until(are_gone)


async def test_when_a_node_stops_its_copies_go_and_come_back_with_it(
    here: CacheProcess, stack: StackHandle, truth: StoredValues, stopped: Callable[[str], None]
) -> None:
    await here.until_near()
    holder = here.redis.get_node_from_key(f"{here.cache._namespace}:{KEY}")
    assert holder is not None
    process = next(
        name for name, (_, port) in zip(NODES, stack.redis_nodes, strict=True) if port == holder.port
    )
    stopped(process)
    truth.value = "second"

    await wait_until(here.reads("second"))
    assert not await here.is_near()
    stack.start(process)
    stack.await_ready(process)
    await wait_until(here.is_near)


async def test_without_redis_every_read_is_loaded(
    here: CacheProcess, stack: StackHandle, truth: StoredValues, stopped: Callable[[str], None]
) -> None:
    await here.until_near()
    for node in NODES:
        stopped(node)
    for value in ("second", "third"):
        truth.value = value
        await wait_until(here.reads(value))
    for node in NODES:
        stack.start(node)
        stack.await_ready(node)


async def test_a_copy_is_renewed_after_two_seconds_even_without_invalidations(here: CacheProcess) -> None:
    await here.until_near()
    began = time.monotonic()
    while await here.is_near():
        assert time.monotonic() - began < WAIT_TIMEOUT_S
        await asyncio.sleep(0.05)
    await here.until_near()

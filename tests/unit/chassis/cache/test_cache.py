"""Read-through: one load for many readers, never an outdated answer put back, never an error of the store."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.cache import Cache
from chassis.cache.cache import DEFAULT_CACHE_POLICY
from chassis.call_context import CallContext, bind_call, current_call
from chassis.errors import DomainError, unavailable
from internshipconnect.events.v1.events_pb2 import UserVerified
from tests.fakes.cache_store import InMemoryCacheStore, RemoteCacheStore
from tests.virtual_time import in_virtual_time

TTL_S = 60.0


class HeldLoader:
    """The truth behind the cache: a value that changes, and loads that can be held up half-way."""

    def __init__(self, value: str | None = "first") -> None:
        self.value = value
        self.loads = 0
        self.fails_with: Exception | None = None
        self._gate = asyncio.Event()
        self._gate.set()

    def hold(self) -> None:
        self._gate.clear()

    def release(self) -> None:
        self._gate.set()

    async def load(self) -> UserVerified | None:
        self.loads += 1
        seen = self.value
        await self._gate.wait()
        if self.fails_with is not None:
            raise self.fails_with
        return None if seen is None else UserVerified(user_id=seen)


def told(answer: bytes | None) -> str | None:
    return None if answer is None else UserVerified.FromString(answer).user_id


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


class CacheClock:
    def __init__(self) -> None:
        self.value = 0.0

    def __call__(self) -> float:
        return self.value


@pytest.fixture
def now() -> CacheClock:
    return CacheClock()


@pytest.fixture
def store(now: CacheClock) -> InMemoryCacheStore:
    return InMemoryCacheStore(now)


@pytest.fixture
def cache(store: InMemoryCacheStore) -> Cache:
    return Cache(store, "test")


@pytest.fixture
def source() -> HeldLoader:
    return HeldLoader()


Read = Callable[[], Awaitable[str | None]]


@pytest.fixture
def read(cache: Cache, source: HeldLoader) -> Read:
    async def read() -> str | None:
        return told(await cache.read_through("key", TTL_S, source.load))

    return read


async def test_the_second_reader_gets_the_first_ones_answer(read: Read, source: HeldLoader) -> None:
    assert [await read(), await read()] == ["first", "first"]
    assert source.loads == 1


async def test_an_answer_without_content_is_an_answer(cache: Cache) -> None:
    async def load() -> UserVerified:
        return UserVerified()

    assert await cache.read_through("empty", TTL_S, load) == b""
    assert await cache.read_through("empty", TTL_S, load) == b""


async def test_readers_at_the_same_time_share_one_load(read: Read, source: HeldLoader) -> None:
    source.hold()
    readers = [asyncio.ensure_future(read()) for _ in range(50)]
    await settled()
    source.release()

    assert set(await asyncio.gather(*readers)) == {"first"}
    assert source.loads == 1


async def test_that_there_is_nothing_is_remembered_for_its_own_time(
    read: Read, source: HeldLoader, now: CacheClock
) -> None:
    source.value = None
    assert [await read(), await read()] == [None, None]
    assert source.loads == 1

    source.value = "made meanwhile"
    now.value += 5.6
    assert await read() == "made meanwhile"


@pytest.mark.parametrize(("after_s", "loads"), [(TTL_S * 0.89, 1), (TTL_S * 1.11, 2)])
async def test_an_answer_lives_for_its_time_give_or_take_a_tenth(
    read: Read, source: HeldLoader, now: CacheClock, after_s: float, loads: int
) -> None:
    await read()
    now.value += after_s
    await read()

    assert source.loads == loads


async def test_lives_differ_so_that_answers_made_together_do_not_expire_together(
    cache: Cache, store: InMemoryCacheStore, source: HeldLoader
) -> None:
    for number in range(20):
        await cache.read_through(str(number), TTL_S, source.load)

    assert len({expires for _, expires in store.entries.values()}) > 10


async def test_after_a_drop_the_new_value_is_read(read: Read, cache: Cache, source: HeldLoader) -> None:
    await read()
    source.value = "second"
    await cache.invalidate("key")

    assert await read() == "second"


async def test_a_load_that_began_before_a_drop_does_not_put_the_old_value_back(
    read: Read, cache: Cache, source: HeldLoader
) -> None:
    source.hold()
    before = asyncio.ensure_future(read())
    await settled()
    source.value = "second"
    await cache.invalidate("key")
    source.release()

    assert await before == "first"
    assert [await read(), await read()] == ["second", "second"]
    assert source.loads == 2


async def test_the_same_holds_when_another_process_drops(
    read: Read, store: InMemoryCacheStore, source: HeldLoader
) -> None:
    source.hold()
    before = asyncio.ensure_future(read())
    await settled()
    source.value = "second"
    await Cache(store, "test").invalidate("key")
    joined_after_the_drop = asyncio.ensure_future(read())
    await settled()
    source.release()

    assert await before == "first"
    assert await joined_after_the_drop == "second"
    assert await read() == "second"


async def test_who_reads_after_a_drop_does_not_join_a_load_from_before(
    read: Read, cache: Cache, source: HeldLoader
) -> None:
    source.hold()
    before = asyncio.ensure_future(read())
    await settled()
    source.value = "second"
    await cache.invalidate("key")
    after = asyncio.ensure_future(read())
    await settled()
    source.release()

    assert (await before, await after) == ("first", "second")


async def test_that_holds_without_the_store_too(
    read: Read, cache: Cache, store: InMemoryCacheStore, source: HeldLoader
) -> None:
    store.is_down = True
    source.hold()
    before = asyncio.ensure_future(read())
    await settled()
    source.value = "second"
    await cache.invalidate("key")
    after = asyncio.ensure_future(read())
    await settled()
    source.release()

    assert (await before, await after) == ("first", "second")
    await cache.aclose()


async def test_that_holds_in_a_process_that_loads_beside_the_one_with_the_lease(
    read: Read, store: InMemoryCacheStore, source: HeldLoader
) -> None:
    elsewhere = Cache(store, "test")
    source.hold()
    leading = asyncio.ensure_future(elsewhere.read_through("key", TTL_S, source.load))
    await settled()
    before = asyncio.ensure_future(read())
    await settled()
    source.value = "second"
    await elsewhere.invalidate("key")
    after = asyncio.ensure_future(read())
    await settled()
    source.release()

    assert told(await leading) == "first"
    assert (await before, await after) == ("first", "second")


async def test_a_load_that_fails_is_not_shared_and_not_remembered(read: Read, source: HeldLoader) -> None:
    source.hold()
    source.fails_with = ConnectionError("shard is down")
    readers = [asyncio.ensure_future(read()) for _ in range(5)]
    await settled()
    source.release()
    outcomes = await asyncio.gather(*readers, return_exceptions=True)
    source.fails_with = None

    assert all(isinstance(outcome, ConnectionError) for outcome in outcomes)
    assert await read() == "first"


async def test_when_the_loading_caller_goes_away_those_who_joined_still_get_their_answer(
    read: Read, source: HeldLoader
) -> None:
    source.hold()
    leader, follower = asyncio.ensure_future(read()), asyncio.ensure_future(read())
    await settled()
    leader.cancel()
    source.release()

    assert await follower == "first"
    assert leader.cancelled()


async def test_without_the_store_every_answer_is_loaded(
    read: Read, store: InMemoryCacheStore, source: HeldLoader
) -> None:
    store.is_down = True

    assert await read() == "first"
    source.value = "second"
    assert await read() == "second"


@in_virtual_time
async def test_an_invalidation_that_the_store_missed_is_repeated_and_until_then_nothing_outdated_is_read(
    read: Read, cache: Cache, store: InMemoryCacheStore, source: HeldLoader
) -> None:
    await read()
    source.value = "second"
    store.is_down = True
    await cache.invalidate("key")
    store.is_down = False

    assert await read() == "second"
    await asyncio.sleep(0.5)
    assert await Cache(store, "test").read_through("key", TTL_S, source.load) is not None
    assert [await read(), source.value] == ["second", "second"]
    await cache.aclose()


@in_virtual_time
async def test_a_drop_whose_caller_goes_away_is_made_all_the_same(
    read: Read, cache: Cache, store: InMemoryCacheStore, source: HeldLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    await read()
    source.value = "second"
    removing = asyncio.Event()
    remove = store.remove

    async def slow_remove(key: str) -> None:
        removing.set()
        await asyncio.sleep(0.05)
        await remove(key)

    monkeypatch.setattr(store, "remove", slow_remove)
    dropping = asyncio.ensure_future(cache.invalidate("key"))
    await removing.wait()
    dropping.cancel()

    await asyncio.gather(dropping, return_exceptions=True)
    assert await read() == "second"
    await cache.aclose()


async def test_two_namespaces_do_not_see_each_other(store: InMemoryCacheStore, source: HeldLoader) -> None:
    await Cache(store, "one").read_through("key", TTL_S, source.load)
    source.value = "second"

    assert told(await Cache(store, "two").read_through("key", TTL_S, source.load)) == "second"


steps = st.lists(st.sampled_from(["read", "write", "tick", "tick", "other reads"]), max_size=40)


@settings(deadline=None, max_examples=150)
@given(steps=steps)
def test_in_any_interleaving_a_read_that_starts_after_a_drop_never_sees_an_older_value(
    steps: list[str],
) -> None:
    asyncio.run(_interleaved(steps))


async def _interleaved(steps: list[str]) -> None:
    """Two processes read and one writes, their steps in any order; loads take several turns of the loop."""
    store = RemoteCacheStore()
    caches = (Cache(store, "test"), Cache(store, "test"))
    version = committed = 0
    reads: list[tuple[int, asyncio.Task[str | None]]] = []

    async def load() -> UserVerified:
        seen = version
        for _ in range(8):
            await asyncio.sleep(0)
        return UserVerified(user_id=str(seen))

    async def read(cache: Cache) -> str | None:
        return told(await cache.read_through("key", TTL_S, load))

    for step in steps:
        if step == "write":
            version += 1
            await caches[0].invalidate("key")
            committed = version
        elif step == "tick":
            await asyncio.sleep(0)
        else:
            cache = caches[0] if step == "read" else caches[1]
            reads.append((committed, asyncio.create_task(read(cache))))
    for at_least, task in reads:
        assert int(await task or -1) >= at_least
    assert await read(caches[1]) == str(version)


async def during_a_call(cache: Cache, source: HeldLoader, deadline_s: float = 5.0) -> tuple[str | None, bool]:
    """Return what a call reads, and whether its answer is marked as stale."""

    async def call() -> tuple[str | None, bool]:
        bind_call(CallContext(deadline=time.monotonic() + deadline_s))
        answer = told(await cache.read_through("key", TTL_S, source.load))
        return answer, current_call().is_stale

    return await asyncio.create_task(call())


@in_virtual_time
async def test_when_loading_fails_the_last_answer_is_given_and_marked_stale(
    cache: Cache, source: HeldLoader, now: CacheClock
) -> None:
    assert await during_a_call(cache, source) == ("first", False)
    now.value += 2 * TTL_S
    source.fails_with = unavailable("mongo")
    assert await during_a_call(cache, source) == ("first", True)
    source.fails_with, source.value = None, "second"
    now.value += DEFAULT_CACHE_POLICY.lease_ttl_s
    assert await during_a_call(cache, source) == ("second", False)


@in_virtual_time
async def test_all_who_wait_for_a_load_that_fails_hear_that_the_answer_is_stale(
    cache: Cache, source: HeldLoader, now: CacheClock
) -> None:
    await during_a_call(cache, source)
    now.value += 2 * TTL_S
    source.fails_with = unavailable("mongo")
    source.hold()
    calls = [asyncio.create_task(during_a_call(cache, source)) for _ in range(5)]
    await settled()
    source.release()
    assert await asyncio.gather(*calls) == [("first", True)] * 5


@in_virtual_time
async def test_a_load_that_hangs_leaves_time_for_the_last_answer(
    cache: Cache, source: HeldLoader, now: CacheClock
) -> None:
    await during_a_call(cache, source)
    now.value += 2 * TTL_S
    source.hold()
    began = time.monotonic()
    assert await during_a_call(cache, source, deadline_s=0.5) == ("first", True)
    assert time.monotonic() - began < 0.5


@in_virtual_time
async def test_an_answer_that_was_dropped_is_not_given_once_more(
    cache: Cache, source: HeldLoader, now: CacheClock
) -> None:
    await during_a_call(cache, source)
    now.value += 2 * TTL_S
    await cache.invalidate("key")
    source.fails_with = unavailable("mongo")
    with pytest.raises(DomainError):
        await during_a_call(cache, source)


async def test_an_error_that_is_an_answer_is_not_covered_up(
    cache: Cache, source: HeldLoader, now: CacheClock
) -> None:
    await during_a_call(cache, source)
    now.value += 2 * TTL_S
    source.fails_with = DomainError("PERMISSION_DENIED", "no")
    with pytest.raises(DomainError, match="PERMISSION_DENIED"):
        await during_a_call(cache, source)


async def test_an_answer_older_than_ten_minutes_is_not_given_any_more(
    cache: Cache, source: HeldLoader, now: CacheClock
) -> None:
    await during_a_call(cache, source)
    now.value += DEFAULT_CACHE_POLICY.stale_copy_ttl_s + 1
    source.fails_with = unavailable("mongo")
    with pytest.raises(DomainError):
        await during_a_call(cache, source)

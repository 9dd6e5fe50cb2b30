"""A cache with copies in the process: no read is older than the last change that is known here."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.cache import Cache
from internshipconnect.events.v1.events_pb2 import UserVerified
from tests.fakes.cache_store import InMemoryCacheStore, RemoteCacheStore
from tests.fakes.invalidation_source import FakeInvalidationSource

KEY = "test:key"


class HeldCacheStore(InMemoryCacheStore):
    """A store that counts its reads, and whose answers can be held up on their way back."""

    def __init__(self) -> None:
        super().__init__()
        self.gets = 0
        self.answering = asyncio.Event()
        self.answering.set()

    async def get(self, key: str) -> bytes | None:
        self.gets += 1
        found = await super().get(key)
        await self.answering.wait()
        return found


class LoadedValues:
    """What the answers are loaded from."""

    def __init__(self) -> None:
        self.value: str | None = "first"
        self.loads = 0

    async def load(self) -> UserVerified | None:
        self.loads += 1
        return None if self.value is None else UserVerified(user_id=self.value)


@pytest.fixture
def store() -> HeldCacheStore:
    return HeldCacheStore()


@pytest.fixture
def truth() -> LoadedValues:
    return LoadedValues()


@pytest.fixture
def cache(store: HeldCacheStore, watches: FakeInvalidationSource) -> Cache:
    return Cache(store, "test", watches)


Read = Callable[[], Awaitable[str | None]]


@pytest.fixture
def read(cache: Cache, truth: LoadedValues) -> Read:
    async def read() -> str | None:
        answer = await cache.read_through("key", 60.0, truth.load)
        return None if answer is None else UserVerified.FromString(answer).user_id

    return read


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_warm_read_does_not_ask_the_store(
    read: Read, store: HeldCacheStore, truth: LoadedValues
) -> None:
    await read()
    await read()
    store.gets = 0

    assert [await read() for _ in range(5)] == ["first"] * 5
    assert (store.gets, truth.loads) == (0, 1)


async def test_that_there_is_nothing_is_kept_near_too(
    read: Read, store: HeldCacheStore, truth: LoadedValues
) -> None:
    truth.value = None
    await read()
    await read()
    store.gets = 0

    assert await read() is None
    assert store.gets == 0


async def test_a_lease_is_never_kept(
    read: Read, store: HeldCacheStore, truth: LoadedValues, cache: Cache
) -> None:
    await store.claim_lease(KEY, b"lanother's", 5)
    assert [await read(), await read()] == ["first", "first"]
    assert truth.loads == 2


async def test_who_drops_reads_the_new_value_before_any_news(
    read: Read, cache: Cache, truth: LoadedValues
) -> None:
    await read()
    await read()
    truth.value = "second"
    await cache.invalidate("key")

    assert await read() == "second"


class HeldRemoval:
    """A removal that waits on its way to the store until it is let go."""

    def __init__(self, store: InMemoryCacheStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.goes_on = asyncio.Event()
        self._remove = store.remove
        monkeypatch.setattr(store, "remove", self._held)

    async def _held(self, key: str) -> None:
        await self.goes_on.wait()
        await self._remove(key)


async def test_a_drop_takes_the_copy_away_at_once(
    read: Read, cache: Cache, store: HeldCacheStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await read()
    await read()
    removal = HeldRemoval(store, monkeypatch)
    dropping = asyncio.create_task(cache.invalidate("key"))
    await settled()
    store.gets = 0

    await read()
    assert store.gets == 1
    removal.goes_on.set()
    await dropping


async def test_what_is_read_during_a_drop_is_not_kept_beyond_it(
    read: Read, cache: Cache, store: HeldCacheStore, truth: LoadedValues, monkeypatch: pytest.MonkeyPatch
) -> None:
    await read()
    removal = HeldRemoval(store, monkeypatch)
    truth.value = "second"
    dropping = asyncio.create_task(cache.invalidate("key"))
    await settled()
    assert await read() == "first"
    removal.goes_on.set()
    await dropping

    assert await read() == "second"


async def test_while_a_removal_is_owed_no_copy_is_served(
    read: Read, cache: Cache, store: HeldCacheStore, truth: LoadedValues
) -> None:
    await read()
    await read()
    truth.value = "second"
    store.is_down = True
    await cache.invalidate("key")
    store.is_down = False

    assert [await read(), await read()] == ["second", "second"]
    await cache.aclose()


async def test_another_process_reads_the_new_value_as_soon_as_it_is_invalidated(
    read: Read, store: HeldCacheStore, truth: LoadedValues, watches: FakeInvalidationSource
) -> None:
    await read()
    await read()
    truth.value = "second"
    await Cache(store, "test").invalidate("key")
    watches.changed(KEY)

    assert await read() == "second"


async def test_news_that_overtakes_an_answer_keeps_it_from_being_kept(
    read: Read, store: HeldCacheStore, truth: LoadedValues, watches: FakeInvalidationSource
) -> None:
    await read()
    store.answering.clear()
    overtaken = asyncio.ensure_future(read())
    await settled()
    truth.value = "second"
    await store.remove(KEY)
    watches.changed(KEY)
    store.answering.set()

    assert await overtaken == "first"
    assert await read() == "second"


async def test_without_news_every_read_asks_the_store(
    read: Read, store: HeldCacheStore, watches: FakeInvalidationSource
) -> None:
    watches.end()
    await read()
    store.gets = 0

    assert [await read() for _ in range(5)] == ["first"] * 5
    assert store.gets == 5


async def test_without_the_store_reads_go_on_past_the_copies(
    read: Read, store: HeldCacheStore, truth: LoadedValues, watches: FakeInvalidationSource
) -> None:
    await read()
    await read()
    store.is_down = True
    watches.end()
    truth.value = "second"

    assert await read() == "second"


steps = st.lists(
    st.sampled_from(["read", "other reads", "write", "news", "tick", "renew"]), min_size=10, max_size=60
)


@settings(deadline=None, max_examples=150)
@given(steps=steps)
def test_in_any_interleaving_a_read_is_no_older_than_the_last_invalidation_that_reached_it(
    steps: list[str],
) -> None:
    asyncio.run(_interleaved(steps))


async def _interleaved(steps: list[str]) -> None:
    """One process reads and writes, another reads; its news of the writes waits until it is delivered."""
    store, truth, watches = RemoteCacheStore(), LoadedValues(), FakeInvalidationSource()
    here, there = Cache(store, "test", FakeInvalidationSource()), Cache(store, "test", watches)
    written = heard = 0
    reads: list[tuple[int, asyncio.Task[int]]] = []
    truth.value = "0"

    async def read(cache: Cache) -> int:
        await asyncio.sleep(0)
        answer = await cache.read_through("key", 60.0, truth.load)
        return int(UserVerified.FromString(answer or b"").user_id)

    for step in steps:
        match step:
            case "read":
                reads.append((written, asyncio.create_task(read(here))))
            case "other reads":
                reads.append((heard, asyncio.create_task(read(there))))
            case "write":
                truth.value = str(written + 1)
                await here.invalidate("key")
                written += 1
            case "news":
                watches.changed(KEY)
                heard = written
            case "renew":
                watches.begin()
                heard = written
            case _:
                await asyncio.sleep(0)
    for at_least, task in reads:
        assert await task >= at_least
    watches.changed(KEY)
    assert [await read(here), await read(there)] == [written, written]

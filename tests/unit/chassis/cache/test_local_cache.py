"""The near cache: a copy is served while its entry is known to be unchanged, and not a moment longer."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.cache import Cache
from chassis.cache.local_cache import DEFAULT_LOCAL_CACHE_POLICY, LocalCachePolicy, LocalEntryCache
from internshipconnect.events.v1.events_pb2 import UserVerified
from tests.fakes.cache_store import InMemoryCacheStore, RemoteCacheStore
from tests.fakes.invalidation_source import FakeInvalidationSource

KEY = "test:key"
ANSWER = b"answer"


class NearCacheClock:
    def __init__(self) -> None:
        self.value = 1_000.0

    def __call__(self) -> float:
        return self.value


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
def now() -> NearCacheClock:
    return NearCacheClock()


@pytest.fixture
def watches() -> FakeInvalidationSource:
    return FakeInvalidationSource()


@pytest.fixture
def near(watches: FakeInvalidationSource, now: NearCacheClock) -> LocalEntryCache:
    return LocalEntryCache(watches, now=now)


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


def keep(near: LocalEntryCache, key: str = KEY, answer: bytes | None = ANSWER, lives_s: float = 60.0) -> None:
    near.store(key, answer, lives_s, near.begin_read(key))


def kept(near: LocalEntryCache, key: str = KEY) -> bytes | None:
    copy = near.find(key)
    assert copy is not None
    return copy.answer


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_what_is_kept_is_found(near: LocalEntryCache) -> None:
    keep(near)
    keep(near, "test:nothing", None)

    assert kept(near) == ANSWER
    assert kept(near, "test:nothing") is None


def test_nothing_is_kept_without_an_invalidation_stream(
    near: LocalEntryCache, watches: FakeInvalidationSource
) -> None:
    watches.end()
    keep(near)

    assert near.find(KEY) is None


def test_a_change_ends_the_copy(near: LocalEntryCache, watches: FakeInvalidationSource) -> None:
    keep(near)
    keep(near, "test:other")
    watches.changed(KEY)

    assert near.find(KEY) is None
    assert kept(near, "test:other") == ANSWER


def test_an_answer_that_news_has_overtaken_is_not_kept(
    near: LocalEntryCache, watches: FakeInvalidationSource
) -> None:
    mark = near.begin_read(KEY)
    watches.changed(KEY)
    near.store(KEY, ANSWER, 60, mark)

    assert near.find(KEY) is None


def test_an_answer_that_was_asked_for_before_the_watch_began_is_not_kept(
    near: LocalEntryCache, watches: FakeInvalidationSource
) -> None:
    watches.end()
    mark = near.begin_read(KEY)
    watches.begin()
    near.store(KEY, ANSWER, 60, mark)

    assert near.find(KEY) is None


def test_an_answer_during_which_the_connection_was_renewed_is_not_kept(
    near: LocalEntryCache, watches: FakeInvalidationSource
) -> None:
    mark = near.begin_read(KEY)
    watches.end()
    watches.begin()
    near.store(KEY, ANSWER, 60, mark)

    assert near.find(KEY) is None


def test_an_answer_during_which_this_process_changed_the_entry_is_not_kept(near: LocalEntryCache) -> None:
    mark = near.begin_read(KEY)
    near.invalidate(KEY)
    near.store(KEY, ANSWER, 60, mark)

    assert near.find(KEY) is None


def test_when_the_connection_is_lost_all_copies_go_and_do_not_come_back(
    near: LocalEntryCache, watches: FakeInvalidationSource
) -> None:
    keep(near)
    watches.end()
    assert near.find(KEY) is None

    watches.begin()
    assert near.find(KEY) is None
    keep(near)
    assert kept(near) == ANSWER


def test_a_watch_that_ends_leaves_the_copies_of_other_watches(
    near: LocalEntryCache, watches: FakeInvalidationSource
) -> None:
    keep(near)
    first = watches.stream
    watches.begin()
    keep(near, "test:other")
    assert first is not None
    near.invalidate_stream(first)

    assert kept(near, "test:other") == ANSWER


@pytest.mark.parametrize(
    ("lives_s", "good_for_s"), [(60.0, DEFAULT_LOCAL_CACHE_POLICY.max_age_s), (0.5, 0.5)]
)
def test_a_copy_lives_no_longer_than_two_seconds_and_than_its_answer(
    near: LocalEntryCache, now: NearCacheClock, lives_s: float, good_for_s: float
) -> None:
    keep(near, lives_s=lives_s)
    now.value += good_for_s - 0.01
    assert kept(near) == ANSWER

    now.value += 0.02
    assert near.find(KEY) is None


def test_beyond_the_bound_the_copies_that_were_used_last_stay(watches: FakeInvalidationSource) -> None:
    near = LocalEntryCache(watches, policy=LocalCachePolicy(max_copies=3))
    for key in ("a", "b", "c"):
        keep(near, key)
    near.find("a")
    keep(near, "d")

    assert [key for key in "abcd" if near.find(key)] == ["a", "c", "d"]


def test_large_answers_leave_space_for_fewer(watches: FakeInvalidationSource) -> None:
    near = LocalEntryCache(watches, policy=LocalCachePolicy(max_bytes=1_000))
    for key in ("a", "b", "c"):
        keep(near, key, b"." * 400)

    assert [key for key in "abc" if near.find(key)] == ["b", "c"]


def test_space_is_given_back_when_copies_go_or_are_replaced(watches: FakeInvalidationSource) -> None:
    near = LocalEntryCache(watches, policy=LocalCachePolicy(max_bytes=1_000))
    for _ in range(10):
        keep(near, "a", b"." * 400)
        keep(near, "gone", b"." * 400)
        near.invalidate("gone")
    keep(near, "b", b"." * 400)

    assert [key for key in "ab" if near.find(key)] == ["a", "b"]


def test_an_answer_that_fits_nowhere_is_not_kept_and_does_no_harm(watches: FakeInvalidationSource) -> None:
    near = LocalEntryCache(watches, policy=LocalCachePolicy(max_bytes=1_000))
    keep(near, "large", b"." * 2_000)
    keep(near, "a")

    assert near.find("large") is None
    assert kept(near, "a") == ANSWER


def test_the_bounds_are_twenty_thousand_copies_and_32_mib() -> None:
    policy = DEFAULT_LOCAL_CACHE_POLICY
    assert (policy.max_copies, policy.max_bytes) == (20_000, 32 * 1024 * 1024)


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

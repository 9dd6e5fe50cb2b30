"""The near cache: a copy is served while its entry is known to be unchanged, and not a moment longer."""

import pytest

from chassis.cache.local_cache import DEFAULT_LOCAL_CACHE_POLICY, LocalCachePolicy, LocalEntryCache
from tests.fakes.invalidation_source import FakeInvalidationSource

KEY = "test:key"
ANSWER = b"answer"


class NearCacheClock:
    def __init__(self) -> None:
        self.value = 1_000.0

    def __call__(self) -> float:
        return self.value


@pytest.fixture
def now() -> NearCacheClock:
    return NearCacheClock()


@pytest.fixture
def near(watches: FakeInvalidationSource, now: NearCacheClock) -> LocalEntryCache:
    return LocalEntryCache(watches, now=now)


def keep(near: LocalEntryCache, key: str = KEY, answer: bytes | None = ANSWER, lives_s: float = 60.0) -> None:
    near.store(key, answer, lives_s, near.begin_read(key))


def kept(near: LocalEntryCache, key: str = KEY) -> bytes | None:
    copy = near.find(key)
    assert copy is not None
    return copy.answer


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

"""Refusals in memory."""

import pytest

from gateway.ratelimit.counter_store import CounterHit
from gateway.ratelimit.local_cache import CachedRefusal, LocalRefusalCache
from tests.unit.gateway.ratelimit.manual_clock import ManualClock


def hit(key: str = "k", hits: int = 1, limit: int = 10) -> CounterHit:
    return CounterHit(key, hits, limit, 60_000_000)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def refusals(clock: ManualClock) -> LocalRefusalCache:
    return LocalRefusalCache(3, clock)


def until(clock: ManualClock, s: float, hits: int = 1) -> CachedRefusal:
    return CachedRefusal(hits, 0, clock() + s)


def test_a_refusal_holds_until_its_moment_and_no_longer(
    refusals: LocalRefusalCache, clock: ManualClock
) -> None:
    refusals.put(hit(), until(clock, 5))
    clock.s += 4.999
    assert refusals.find(hit()) is not None
    clock.s += 0.001
    assert refusals.find(hit()) is None
    assert len(refusals) == 0


def test_a_refusal_of_many_hits_says_nothing_about_fewer(
    refusals: LocalRefusalCache, clock: ManualClock
) -> None:
    refusals.put(hit(hits=4), until(clock, 5, hits=4))
    assert refusals.find(hit(hits=3)) is None
    assert refusals.find(hit(hits=0)) is None
    assert refusals.find(hit(hits=4)) is not None
    assert refusals.find(hit(hits=9)) is not None


def test_a_question_without_hits_is_answered_by_a_refusal_of_one(
    refusals: LocalRefusalCache, clock: ManualClock
) -> None:
    refusals.put(hit(), until(clock, 5))
    assert refusals.find(hit(hits=0)) is not None


def test_a_refusal_under_another_limit_or_of_another_key_does_not_hold(
    refusals: LocalRefusalCache, clock: ManualClock
) -> None:
    refusals.put(hit(), until(clock, 5))
    assert refusals.find(hit(limit=11)) is None
    assert refusals.find(hit("other")) is None


def test_the_least_recently_used_refusal_is_evicted(refusals: LocalRefusalCache, clock: ManualClock) -> None:
    for key in "abc":
        refusals.put(hit(key), until(clock, 5))
    refusals.find(hit("a"))
    refusals.put(hit("d"), until(clock, 5))
    assert [key for key in "abcd" if refusals.find(hit(key))] == ["a", "c", "d"]

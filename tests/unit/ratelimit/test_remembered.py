"""Refusals in memory."""

import pytest

from gateway.ratelimit.remembered import Refusal, Refusals
from gateway.ratelimit.store import Hit
from tests.unit.ratelimit.clock import Hands


def hit(key: str = "k", hits: int = 1, limit: int = 10) -> Hit:
    return Hit(key, hits, limit, 60_000_000)


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def refusals(clock: Hands) -> Refusals:
    return Refusals(3, clock)


def until(clock: Hands, s: float, hits: int = 1) -> Refusal:
    return Refusal(hits, 0, clock() + s)


def test_a_refusal_holds_until_its_moment_and_no_longer(refusals: Refusals, clock: Hands) -> None:
    refusals.keep(hit(), until(clock, 5))
    clock.s += 4.999
    assert refusals.find(hit()) is not None
    clock.s += 0.001
    assert refusals.find(hit()) is None
    assert len(refusals) == 0


def test_a_refusal_of_many_hits_says_nothing_about_fewer(refusals: Refusals, clock: Hands) -> None:
    refusals.keep(hit(hits=4), until(clock, 5, hits=4))
    assert refusals.find(hit(hits=3)) is None
    assert refusals.find(hit(hits=0)) is None
    assert refusals.find(hit(hits=4)) is not None
    assert refusals.find(hit(hits=9)) is not None


def test_a_question_without_hits_is_answered_by_a_refusal_of_one(refusals: Refusals, clock: Hands) -> None:
    refusals.keep(hit(), until(clock, 5))
    assert refusals.find(hit(hits=0)) is not None


def test_a_refusal_under_another_limit_or_of_another_key_does_not_hold(
    refusals: Refusals, clock: Hands
) -> None:
    refusals.keep(hit(), until(clock, 5))
    assert refusals.find(hit(limit=11)) is None
    assert refusals.find(hit("other")) is None


def test_the_refusal_that_was_not_needed_for_the_longest_time_makes_room(
    refusals: Refusals, clock: Hands
) -> None:
    for key in "abc":
        refusals.keep(hit(key), until(clock, 5))
    refusals.find(hit("a"))
    refusals.keep(hit("d"), until(clock, 5))
    assert [key for key in "abcd" if refusals.find(hit(key))] == ["a", "c", "d"]

"""Waits between attempts."""

from chassis.concurrency.backoff import jittered_delay_s
from chassis.messaging.topology import RETRY_DELAYS_S, retry_exchange


def test_waits_grow_to_a_limit_and_are_spread() -> None:
    assert 0.1 <= jittered_delay_s(0) <= 0.2
    assert 0.8 <= jittered_delay_s(3) <= 1.6
    assert all(5.0 <= jittered_delay_s(attempt) <= 10.0 for attempt in (6, 60, 6_000))
    assert len({jittered_delay_s(3) for _ in range(10)}) > 1


def test_each_failed_attempt_waits_longer_than_the_one_before_until_the_longest_delay() -> None:
    assert list(RETRY_DELAYS_S) == sorted(set(RETRY_DELAYS_S))
    exchanges = [retry_exchange(attempt) for attempt in range(1, len(RETRY_DELAYS_S) + 3)]
    assert len(set(exchanges[: len(RETRY_DELAYS_S)])) == len(RETRY_DELAYS_S)
    assert set(exchanges[len(RETRY_DELAYS_S) - 1 :]) == {exchanges[len(RETRY_DELAYS_S) - 1]}

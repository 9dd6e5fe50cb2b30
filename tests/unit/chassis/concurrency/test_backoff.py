"""Waits between attempts."""

import asyncio
from itertools import pairwise

import pytest

from chassis.concurrency.backoff import Backoff, jittered_delay_s, keep_reconnecting
from chassis.messaging.topology import RETRY_DELAYS_S, retry_exchange
from tests.virtual_time import in_virtual_time


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


@in_virtual_time
async def test_what_fails_or_ends_is_followed_again_and_a_success_shortens_the_waits() -> None:
    loop = asyncio.get_running_loop()
    started_at: list[float] = []
    errors: list[Exception] = []

    async def follow(backoff: Backoff) -> None:
        started_at.append(loop.time())
        if len(started_at) == 6:
            backoff.reset()
        if len(started_at) % 2:
            raise ConnectionError

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(17.0):
            await keep_reconnecting(follow, errors.append, base_s=1.0, max_s=4.0)
    waits = [after - before for before, after in pairwise(started_at)]
    assert waits[3] >= 2.0 > 1.0 >= waits[5]
    assert {type(error) for error in errors} == {ConnectionError}


@in_virtual_time
async def test_an_error_that_the_report_raises_ends_the_loop() -> None:
    async def follow(_backoff: Backoff) -> None:
        raise ValueError("a fault of ours")

    def report(error: Exception) -> None:
        raise error

    with pytest.raises(ValueError, match="a fault of ours"):
        await keep_reconnecting(follow, report)

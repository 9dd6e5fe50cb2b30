"""What all rate limit counters do; the fake and the real ones are held to it by the same tests."""

import asyncio
import secrets

import pytest

from gateway.ratelimit.counter_store import CounterHit, CounterResult, CounterStore, LeaseRequest
from gateway.ratelimit.sliding_window import MICROSECONDS_PER_SECOND

MINUTE_US = 60 * MICROSECONDS_PER_SECOND
SHORT_US = MICROSECONDS_PER_SECOND


def remaining(count: CounterResult, hit: CounterHit) -> int:
    return count.usage.remaining(hit.limit, count.now_us, hit.window_us)


def retry_us(count: CounterResult, hit: CounterHit) -> int:
    return count.usage.retry_us(hit.hits, hit.limit, count.now_us, hit.window_us)


class CounterStoreContract:
    """Subclasses provide the fixture `counters`."""

    async def pass_time(self, seconds: float) -> None:
        """Wait; counters with a clock of the test's own advance that instead."""
        await asyncio.sleep(seconds)

    @pytest.fixture
    def key(self) -> str:
        return f"ratelimit|test|{secrets.token_hex(8)}"

    async def test_a_new_key_admits_exactly_its_limit(self, counters: CounterStore, key: str) -> None:
        hit = CounterHit(key, 1, 5, MINUTE_US)
        counts = [await counters.count(hit) for _ in range(7)]
        assert [count.admitted for count in counts] == [True] * 5 + [False] * 2
        assert [remaining(count, hit) for count in counts] == [4, 3, 2, 1, 0, 0, 0]

    async def test_fifty_at_once_are_admitted_exactly_up_to_the_limit(
        self, counters: CounterStore, key: str
    ) -> None:
        counts = await asyncio.gather(*(counters.count(CounterHit(key, 1, 20, MINUTE_US)) for _ in range(50)))
        assert sum(count.admitted for count in counts) == 20

    async def test_many_keys_at_once_each_get_their_own_answer(
        self, counters: CounterStore, key: str
    ) -> None:
        hits = [CounterHit(f"{key}{n % 40}", 1, n % 40 % 3, MINUTE_US) for n in range(200)]
        counts = await asyncio.gather(*(counters.count(hit) for hit in hits))
        admitted = [hit.key for hit, count in zip(hits, counts, strict=True) if count.admitted]
        assert {each: admitted.count(each) for each in set(admitted)} == {
            f"{key}{n}": n % 3 for n in range(40) if n % 3
        }

    async def test_no_hits_ask_without_counting(self, counters: CounterStore, key: str) -> None:
        peek, hit = CounterHit(key, 0, 2, MINUTE_US), CounterHit(key, 1, 2, MINUTE_US)
        assert [(await counters.count(peek)).admitted for _ in range(5)] == [True] * 5
        assert (await counters.count(hit)).admitted
        assert remaining(await counters.count(peek), peek) == 1
        assert (await counters.count(hit)).admitted
        assert not (await counters.count(peek)).admitted

    async def test_hits_that_do_not_fit_are_not_counted_and_fewer_may_still_fit(
        self, counters: CounterStore, key: str
    ) -> None:
        assert (await counters.count(CounterHit(key, 7, 10, MINUTE_US))).admitted
        assert not (await counters.count(CounterHit(key, 4, 10, MINUTE_US))).admitted
        assert (await counters.count(CounterHit(key, 3, 10, MINUTE_US))).admitted
        assert not (await counters.count(CounterHit(key, 1, 10, MINUTE_US))).admitted

    async def test_a_limit_of_zero_admits_nothing(self, counters: CounterStore, key: str) -> None:
        hit = CounterHit(key, 1, 0, MINUTE_US)
        count = await counters.count(hit)
        assert not count.admitted
        assert retry_us(count, hit) == MINUTE_US

    async def test_another_limit_counts_what_was_admitted_under_the_first(
        self, counters: CounterStore, key: str
    ) -> None:
        for _ in range(3):
            assert (await counters.count(CounterHit(key, 1, 3, MINUTE_US))).admitted
        assert not (await counters.count(CounterHit(key, 1, 3, MINUTE_US))).admitted
        assert (await counters.count(CounterHit(key, 1, 4, MINUTE_US))).admitted
        assert not (await counters.count(CounterHit(key, 1, 2, MINUTE_US))).admitted

    async def test_a_refused_hit_is_admitted_when_the_answer_said_so(
        self, counters: CounterStore, key: str
    ) -> None:
        hit = CounterHit(key, 1, 3, SHORT_US)
        while (refused := await counters.count(hit)).admitted:
            await self.pass_time(0.02)
        wait_us = retry_us(refused, hit)
        assert 0 < wait_us <= SHORT_US
        await self.pass_time(wait_us / MICROSECONDS_PER_SECOND + 0.005)
        assert (await counters.count(hit)).admitted

    async def test_windows_that_follow_one_another_are_each_full_again(
        self, counters: CounterStore, key: str
    ) -> None:
        for _ in range(2):
            assert (await counters.count(CounterHit(key, 100, 100, SHORT_US))).admitted
            assert not (await counters.count(CounterHit(key, 1, 100, SHORT_US))).admitted
            await self.pass_time(SHORT_US / MICROSECONDS_PER_SECOND + 0.005)

    async def test_a_lease_is_counted_and_is_at_most_half_of_what_is_left(
        self, counters: CounterStore, key: str
    ) -> None:
        hit, wants_all = CounterHit(key, 1, 10, MINUTE_US), LeaseRequest(key, 10, MINUTE_US, wanted=100)
        granted = [(await counters.lease(wants_all)).granted for _ in range(6)]
        assert granted == [5, 3, 1, 1, 0, 0]
        assert not (await counters.count(hit)).admitted

    async def test_no_more_is_leased_than_is_wanted(self, counters: CounterStore, key: str) -> None:
        lease = await counters.lease(LeaseRequest(key, 10, MINUTE_US, wanted=2))
        assert (lease.granted, lease.usage.remaining(10, lease.now_us, MINUTE_US)) == (2, 8)

    async def test_what_was_admitted_already_counts_also_beyond_the_limit(
        self, counters: CounterStore, key: str
    ) -> None:
        lease = await counters.lease(LeaseRequest(key, 10, MINUTE_US, owed=12, wanted=1))
        assert (lease.granted, lease.usage.current.hits) == (0, 12)
        assert not (await counters.count(CounterHit(key, 1, 12, MINUTE_US))).admitted
        assert (await counters.count(CounterHit(key, 1, 13, MINUTE_US))).admitted

    async def test_returned_hits_are_free_again(self, counters: CounterStore, key: str) -> None:
        lease = await counters.lease(LeaseRequest(key, 10, MINUTE_US, wanted=5))
        run_us = lease.usage.current.first_us
        await counters.lease(LeaseRequest(key, 10, MINUTE_US, returned=4, run_us=run_us))
        assert (await counters.count(CounterHit(key, 9, 10, MINUTE_US))).admitted
        assert not (await counters.count(CounterHit(key, 1, 10, MINUTE_US))).admitted

    async def test_hits_of_a_run_that_is_forgotten_cannot_be_returned(
        self, counters: CounterStore, key: str
    ) -> None:
        await counters.lease(LeaseRequest(key, 10, MINUTE_US, wanted=5))
        await counters.lease(LeaseRequest(key, 10, MINUTE_US, returned=5, run_us=1))
        assert not (await counters.count(CounterHit(key, 6, 10, MINUTE_US))).admitted

    async def test_a_report_of_nothing_leaves_no_trace(self, counters: CounterStore, key: str) -> None:
        lease = await counters.lease(LeaseRequest(key, 10, MINUTE_US))
        assert lease.usage.current.hits == 0
        assert (await counters.count(CounterHit(key, 10, 10, MINUTE_US))).admitted

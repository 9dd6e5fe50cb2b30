"""The bound on calls in flight follows how far behind the event loop is."""

import asyncio
from contextlib import suppress

from chassis.grpc.adaptive_concurrency import AdaptiveConcurrencyLimit, ConcurrencyLimitPolicy
from tests.virtual_time import block_event_loop, in_virtual_time

POLICY = ConcurrencyLimitPolicy()
FAR_TOO_LATE_S = 2 * POLICY.max_loop_lag_s


def test_it_falls_fast_when_the_loop_is_never_in_time_and_never_below_its_least() -> None:
    pressure = AdaptiveConcurrencyLimit(1_000)
    pressure.in_flight = 400
    limits = []
    for _ in range(30):
        pressure.adjust(FAR_TOO_LATE_S)
        limits.append(pressure.limit)
        pressure.in_flight = pressure.limit
    assert limits[0] == 320
    assert limits == sorted(limits, reverse=True)
    assert limits[-1] == POLICY.min_concurrent_calls


def test_it_grows_back_to_the_whole_when_the_loop_keeps_up() -> None:
    pressure = AdaptiveConcurrencyLimit(1_000)
    pressure.adjust(FAR_TOO_LATE_S)
    assert pressure.limit == POLICY.min_concurrent_calls
    for _ in range(90):
        pressure.adjust(0.0)
    assert pressure.limit == 1_000


def test_a_bound_smaller_than_the_least_stays_what_it_is() -> None:
    pressure = AdaptiveConcurrencyLimit(4)
    pressure.adjust(FAR_TOO_LATE_S)
    assert pressure.limit == 4


def test_it_falls_when_most_calls_took_more_than_half_of_their_time() -> None:
    pressure = AdaptiveConcurrencyLimit(1_000)
    pressure.in_flight = 400
    for _ in range(POLICY.min_ended_calls):
        pressure.record_end(was_late=True)
    pressure.adjust(0.0)
    assert pressure.limit == 320
    pressure.adjust(0.0)
    assert pressure.limit > 320


def test_it_stays_when_only_some_calls_were_late_or_too_few_have_ended() -> None:
    pressure = AdaptiveConcurrencyLimit(1_000)
    for number in range(2 * POLICY.min_ended_calls):
        pressure.record_end(was_late=bool(number % 2))
    pressure.adjust(0.0)
    for _ in range(POLICY.min_ended_calls - 1):
        pressure.record_end(was_late=True)
    pressure.adjust(0.0)
    assert pressure.limit == 1_000


async def run_watched(pressure: AdaptiveConcurrencyLimit, hold_s: float, times: int) -> None:
    """Block the loop for `hold_s`, this number of times in a row, while the limit adjusts."""
    watching = asyncio.create_task(pressure.run_adjustments())
    for _ in range(times):
        await asyncio.sleep(0)
        block_event_loop(hold_s)
    await asyncio.sleep(0)
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching


@in_virtual_time
async def test_one_stop_of_the_loop_is_no_reason() -> None:
    pressure = AdaptiveConcurrencyLimit(1_000)
    pressure.in_flight = 500
    await run_watched(pressure, FAR_TOO_LATE_S, times=1)
    assert pressure.limit == 1_000


@in_virtual_time
async def test_a_loop_that_is_held_up_all_the_time_lets_fewer_in() -> None:
    pressure = AdaptiveConcurrencyLimit(1_000)
    pressure.in_flight = 500
    await run_watched(pressure, FAR_TOO_LATE_S, times=15)
    assert pressure.limit < 500


class _CountingLimit(AdaptiveConcurrencyLimit):
    adjustments = 0

    def adjust(self, min_lag_s: float) -> None:
        self.adjustments += 1
        super().adjust(min_lag_s)


@in_virtual_time
async def test_it_measures_nothing_while_no_call_is_in_progress_and_begins_with_the_next() -> None:
    pressure = _CountingLimit(1_000)
    watching = asyncio.create_task(pressure.run_adjustments())
    await asyncio.sleep(60)
    assert pressure.adjustments == 0

    pressure.in_flight += 1
    await asyncio.sleep(1)
    assert pressure.adjustments >= 5

    pressure.in_flight -= 1
    await asyncio.sleep(1)
    at_rest = pressure.adjustments
    await asyncio.sleep(60)
    assert pressure.adjustments == at_rest
    watching.cancel()


@in_virtual_time
async def test_a_bound_that_has_fallen_grows_back_also_without_calls() -> None:
    pressure = AdaptiveConcurrencyLimit(1_000)
    pressure.adjust(FAR_TOO_LATE_S)
    watching = asyncio.create_task(pressure.run_adjustments())
    await asyncio.sleep(60)
    watching.cancel()
    assert pressure.limit == 1_000

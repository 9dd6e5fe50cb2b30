"""The bound on calls in flight follows how far behind the event loop is."""

import asyncio
from contextlib import suppress

from chassis.grpc.pressure import ENOUGH, LATE_S, LEAST, Pressure
from tests.virtual_time import hold_up, in_virtual_time

MUCH = 2 * LATE_S


def test_it_falls_fast_when_the_loop_is_never_in_time_and_never_below_its_least() -> None:
    pressure = Pressure(1_000)
    pressure.in_flight = 400
    limits = []
    for _ in range(30):
        pressure.note(MUCH)
        limits.append(pressure.limit)
        pressure.in_flight = pressure.limit
    assert limits[0] == 320
    assert limits == sorted(limits, reverse=True)
    assert limits[-1] == LEAST


def test_it_grows_back_to_the_whole_when_the_loop_keeps_up() -> None:
    pressure = Pressure(1_000)
    pressure.note(MUCH)
    assert pressure.limit == LEAST
    for _ in range(90):
        pressure.note(0.0)
    assert pressure.limit == 1_000


def test_a_bound_smaller_than_the_least_stays_what_it_is() -> None:
    pressure = Pressure(4)
    pressure.note(MUCH)
    assert pressure.limit == 4


def test_it_falls_when_most_calls_took_more_than_half_of_their_time() -> None:
    pressure = Pressure(1_000)
    pressure.in_flight = 400
    for _ in range(ENOUGH):
        pressure.ended(was_late=True)
    pressure.note(0.0)
    assert pressure.limit == 320
    pressure.note(0.0)
    assert pressure.limit > 320


def test_it_stays_when_only_some_calls_were_late_or_too_few_have_ended() -> None:
    pressure = Pressure(1_000)
    for number in range(2 * ENOUGH):
        pressure.ended(was_late=bool(number % 2))
    pressure.note(0.0)
    for _ in range(ENOUGH - 1):
        pressure.ended(was_late=True)
    pressure.note(0.0)
    assert pressure.limit == 1_000


async def watched(pressure: Pressure, hold_s: float, times: int) -> None:
    """Holds the loop up for `hold_s`, so many times in a row, while the pressure is watched."""
    watching = asyncio.create_task(pressure.watch())
    for _ in range(times):
        await asyncio.sleep(0)
        hold_up(hold_s)
    await asyncio.sleep(0)
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching


@in_virtual_time
async def test_one_stop_of_the_loop_is_no_reason() -> None:
    pressure = Pressure(1_000)
    await watched(pressure, MUCH, times=1)
    assert pressure.limit == 1_000


@in_virtual_time
async def test_a_loop_that_is_held_up_all_the_time_lets_fewer_in() -> None:
    pressure = Pressure(1_000)
    pressure.in_flight = 500
    await watched(pressure, MUCH, times=15)
    assert pressure.limit < 500

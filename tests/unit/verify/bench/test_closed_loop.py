"""A closed loop counts successes in the window and failures always."""

import asyncio
import os
import subprocess
import sys

import pytest

from ops.errors import OpsError
from tests.virtual_time import in_virtual_time
from verify.bench.closed_loop import (
    CallFailedError,
    CallsExhaustedError,
    MeasurementTimes,
    run_closed_loop,
)
from verify.bench.process_cpu import used_cpu_s

BRIEFLY = MeasurementTimes(window_s=0.2, warm_up_s=0.05)


@in_virtual_time
async def test_successes_of_the_warm_up_do_not_count() -> None:
    async def act() -> None:
        await asyncio.sleep(0.01)

    sample = await run_closed_loop(act, at_once=2, pace=BRIEFLY, pids=[os.getpid()])
    assert sample.window_s == pytest.approx(0.2)
    assert len(sample.latencies_s) == pytest.approx(2 * 0.2 / 0.01, abs=2)
    assert sample.latency_ms(0.5) == pytest.approx(10)
    assert sample.failures == {}


@in_virtual_time
async def test_failures_of_the_warm_up_count() -> None:
    started = 0

    async def act() -> None:
        nonlocal started
        started += 1
        await asyncio.sleep(0.01)
        if started == 1:
            raise CallFailedError("too early")

    sample = await run_closed_loop(act, at_once=1, pace=BRIEFLY, pids=[])
    assert sample.failures == {"too early": 1}


@in_virtual_time
async def test_the_window_ends_with_the_last_call() -> None:
    left = 20

    async def act() -> None:
        nonlocal left
        if left == 0:
            raise CallsExhaustedError
        left -= 1
        await asyncio.sleep(0.02)

    sample = await run_closed_loop(
        act, at_once=2, pace=MeasurementTimes(window_s=30, warm_up_s=0.05), pids=[]
    )
    assert sample.window_s < 5
    assert 0 < len(sample.latencies_s) < 20


@in_virtual_time
async def test_calls_that_do_not_last_beyond_the_warm_up_are_an_error() -> None:
    async def act() -> None:
        raise CallsExhaustedError

    with pytest.raises(OpsError, match="fewer --seconds"):
        await run_closed_loop(act, at_once=2, pace=BRIEFLY, pids=[])


@in_virtual_time
async def test_an_error_that_is_no_failed_call_ends_the_measurement() -> None:
    async def act() -> None:
        await asyncio.sleep(0.01)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await run_closed_loop(act, at_once=2, pace=MeasurementTimes(window_s=30, warm_up_s=0.1), pids=[])


@in_virtual_time
async def test_a_call_that_swallows_its_cancellation_does_not_keep_the_loop_alive() -> None:
    async def act() -> None:
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            raise CallFailedError("cut off") from None

    async with asyncio.timeout(60):
        sample = await run_closed_loop(act, at_once=4, pace=BRIEFLY, pids=[])
    assert sample.failures == {}


def test_the_cpu_of_a_process_that_is_gone_is_an_error() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    with pytest.raises(OpsError, match="ended during the measurement"):
        used_cpu_s([gone.pid])

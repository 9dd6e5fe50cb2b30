"""Periodic tasks: again and again, one run at a time, whatever a run does."""

import asyncio

import pytest

from chassis.call_context import Principal, current_principal
from chassis.observability import metrics
from chassis.roles import periodic_tasks
from chassis.roles.periodic_tasks import PeriodicTask, repeat_task
from tests.virtual_time import in_virtual_time
from tests.waiting import WAIT_TIMEOUT_S

SERVICE = Principal(id="auth", kind="SERVICE")


async def running(periodic: PeriodicTask, for_s: float) -> None:
    task = asyncio.create_task(repeat_task(periodic, SERVICE))
    await asyncio.sleep(for_s)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@in_virtual_time
async def test_it_runs_again_and_again_as_the_service() -> None:
    callers = []

    async def call() -> None:
        callers.append(current_principal())

    task = asyncio.create_task(repeat_task(PeriodicTask("test-runs", 0.02, call), SERVICE))
    async with asyncio.timeout(WAIT_TIMEOUT_S):
        while len(callers) <= 3:
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert set(callers) == {SERVICE}


@in_virtual_time
async def test_a_failing_run_is_counted_and_does_not_end_the_task() -> None:
    async def call() -> None:
        raise RuntimeError("broken")

    task = asyncio.create_task(repeat_task(PeriodicTask("test-fails", 0.02, call), SERVICE))
    failed = metrics.periodic_runs.labels("test-fails", "failed")
    async with asyncio.timeout(WAIT_TIMEOUT_S):
        while failed._value.get() < 3:
            await asyncio.sleep(0.02)
    task.cancel()


@in_virtual_time
async def test_a_long_run_is_never_joined_by_a_second_one() -> None:
    running_now = most = 0

    async def call() -> None:
        nonlocal running_now, most
        running_now += 1
        most = max(most, running_now)
        await asyncio.sleep(0.1)
        running_now -= 1

    await running(PeriodicTask("test-long", 0.01, call), 0.4)
    assert most == 1


@in_virtual_time
async def test_a_run_is_cut_short_when_the_process_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(periodic_tasks, "_MAX_FIRST_WAIT_S", 0.0)

    async def call() -> None:
        await asyncio.sleep(60)

    async with asyncio.timeout(WAIT_TIMEOUT_S):
        await running(PeriodicTask("test-stops", 60, call), 0.1)

"""What readiness says when dependencies answer, do not answer, or take their time."""

import asyncio

from chassis import readiness
from chassis.readiness import ReadinessCheck, ReadinessProbe
from tests.virtual_time import in_virtual_time


async def up() -> None:
    pass


async def down() -> None:
    raise ConnectionError("refused")


async def silent() -> None:
    await asyncio.sleep(60)


@in_virtual_time
async def test_a_process_whose_dependencies_all_answer_is_ready() -> None:
    report = await ReadinessProbe(
        [ReadinessCheck("mongo s1", up, "mongo"), ReadinessCheck("redis", up)]
    ).report()
    assert report.is_ready
    assert report.degraded_checks == []


@in_virtual_time
async def test_one_missing_shard_of_several_degrades_and_the_last_one_stops() -> None:
    some = ReadinessProbe(
        [ReadinessCheck("mongo s1", down, "mongo"), ReadinessCheck("mongo s2", up, "mongo")]
    )
    none = ReadinessProbe(
        [ReadinessCheck("mongo s1", down, "mongo"), ReadinessCheck("mongo s2", down, "mongo")]
    )
    assert (await some.report()).is_ready
    assert (await some.report()).degraded_checks == ["mongo s1"]
    assert not (await none.report()).is_ready


@in_virtual_time
async def test_a_dependency_without_a_group_only_degrades() -> None:
    report = await ReadinessProbe(
        [ReadinessCheck("mongo s1", up, "mongo"), ReadinessCheck("redis", down)]
    ).report()
    assert report.is_ready
    assert report.checks["redis"] == {"up": False, "error": "refused"}


@in_virtual_time
async def test_a_dependency_that_stays_silent_counts_as_down_after_a_second() -> None:
    started = asyncio.get_running_loop().time()
    report = await ReadinessProbe(
        [ReadinessCheck("mongo", silent, "mongo"), ReadinessCheck("broker", silent, "broker")]
    ).report()
    assert not report.is_ready
    assert asyncio.get_running_loop().time() - started < 2 * readiness.CHECK_TIMEOUT_S


@in_virtual_time
async def test_many_who_ask_at_once_cause_one_question() -> None:
    asked = 0

    async def counted() -> None:
        nonlocal asked
        asked += 1

    state = ReadinessProbe([ReadinessCheck("mongo", counted, "mongo")])
    await asyncio.gather(*(state.report() for _ in range(20)))
    assert asked == 1


@in_virtual_time
async def test_a_stopping_process_is_not_ready_whatever_answers() -> None:
    state = ReadinessProbe([ReadinessCheck("mongo", up, "mongo")])
    assert (await state.report()).is_ready
    state.stop()
    assert not (await state.report()).is_ready

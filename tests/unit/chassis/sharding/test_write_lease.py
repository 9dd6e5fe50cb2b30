"""Leases and permits: who may write to a shard, by a clock of the test's own."""

import asyncio

import pytest

from chassis.errors import DomainError
from chassis.sharding.write_lease import ANNOUNCEMENT_TTL_S, WRITE_LEASE_S, WriteLease, WritePermit
from tests.waiting import WAIT_TIMEOUT_S


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lease(clock: Clock) -> WriteLease:
    lease = WriteLease(clock.now)
    lease.require_confirmation()
    return lease


def hold(lease: WriteLease, at: float) -> None:
    lease.record_announcement(at)
    lease.record_confirmation(at)


def test_a_lease_that_nobody_requires_never_runs_out(clock: Clock) -> None:
    lease = WriteLease(clock.now)
    clock.time += 1e9
    assert lease.is_valid()


def test_a_lease_begins_only_when_it_is_both_confirmed_and_announced(lease: WriteLease, clock: Clock) -> None:
    assert not lease.is_valid()
    lease.record_confirmation(clock.time)
    assert not lease.is_valid()
    lease.record_announcement(clock.time)
    assert lease.is_valid()


def test_a_lease_counts_from_the_question_not_from_the_answer(lease: WriteLease, clock: Clock) -> None:
    asked_at = clock.time
    clock.time += 4
    hold(lease, asked_at)

    assert lease.remaining_s() == WRITE_LEASE_S - 4
    clock.time = asked_at + WRITE_LEASE_S
    assert not lease.is_valid()
    assert lease.remaining_s() == 0


def test_an_answer_that_comes_after_the_lease_prolongs_nothing(lease: WriteLease, clock: Clock) -> None:
    hold(lease, clock.time)
    asked_at = clock.time + 1
    clock.time += WRITE_LEASE_S + 5

    lease.record_confirmation(asked_at)

    assert not lease.is_valid()


def test_a_process_that_cannot_say_that_it_is_there_may_not_write_however_often_it_reads(
    lease: WriteLease, clock: Clock
) -> None:
    hold(lease, clock.time)
    for _ in range(int(ANNOUNCEMENT_TTL_S)):
        assert lease.is_valid()
        clock.time += 1
        lease.record_confirmation(clock.time)
    assert not lease.is_valid()


async def test_the_first_write_waits_for_the_first_confirmation(lease: WriteLease, clock: Clock) -> None:
    permit = WritePermit("mongo shard s1", lease)

    async def write() -> int:
        async with permit:
            return permit.writes_in_flight

    writing = asyncio.create_task(write())
    await asyncio.sleep(0)
    assert not writing.done()
    hold(lease, clock.time)

    assert await writing == 1
    assert permit.writes_in_flight == 0


async def test_a_write_after_the_lease_is_refused_at_once_with_a_time_to_come_back(
    lease: WriteLease, clock: Clock
) -> None:
    hold(lease, clock.time)
    clock.time += WRITE_LEASE_S
    permit = WritePermit("mongo shard s1", lease)

    with pytest.raises(DomainError, match=r"UNAVAILABLE: mongo shard s1") as refused:
        async with asyncio.timeout(WAIT_TIMEOUT_S), permit:
            pytest.fail("was let through")

    assert refused.value.retry_after_s
    assert permit.writes_in_flight == 0


async def test_a_withdrawn_lease_admits_no_write_but_counts_those_in_flight(
    lease: WriteLease, clock: Clock
) -> None:
    hold(lease, clock.time)
    permit = WritePermit("mongo shard s1", lease)
    async with permit:
        permit.revoke()
        assert permit.writes_in_flight == 1
        with pytest.raises(DomainError, match="handing these records over"):
            permit.raise_if_revoked()
    assert permit.writes_in_flight == 0
    with pytest.raises(DomainError, match="UNAVAILABLE"):
        async with permit:
            pytest.fail("was let through")


def test_who_holds_a_shard_as_a_whole_is_refused_the_slots_that_are_blocked(lease: WriteLease) -> None:
    permit = WritePermit("mongo shard s1", lease)
    permit.blocked_slots = frozenset({7})

    permit.raise_if_slot_blocked(8)
    with pytest.raises(DomainError, match="UNAVAILABLE"):
        permit.raise_if_slot_blocked(7)

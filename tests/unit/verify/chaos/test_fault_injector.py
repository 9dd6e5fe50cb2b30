"""What can be struck depends on what the stack is made of."""

from pathlib import Path

import pytest

from devstack import topology
from devstack.stack import Stack
from verify.chaos.fault_injector import find_fault_targets
from verify.chaos.fault_schedule import ChaosFaultKind, FaultTargets

pytestmark = pytest.mark.usefixtures("state_dir")

FAULTS_OF_STORES = (ChaosFaultKind.DELAY, ChaosFaultKind.HANG, ChaosFaultKind.DOWN)


def targets(**shape: int | bool) -> FaultTargets:
    return find_fault_targets(Stack.assemble(topology.find_or_create_stack("unit", **shape)))  # type: ignore[arg-type]


def test_every_process_can_be_killed_paused_and_restarted_but_for_what_the_run_stands_on(
    state_dir: Path,
) -> None:
    found = targets(faults=True)
    there = {process.name for process in Stack.assemble(topology.find_stack("unit")).processes}
    for kind in (ChaosFaultKind.KILL, ChaosFaultKind.PAUSE, ChaosFaultKind.RESTART):
        assert there - set(found[kind]) == {"epmd", "mailbox", "fault-proxy"}


def test_stores_are_disturbed_only_where_a_proxy_stands_before_them() -> None:
    assert all(not targets()[kind] for kind in FAULTS_OF_STORES)


def test_stores_behind_a_proxy_are_disturbed() -> None:
    for kind in FAULTS_OF_STORES:
        assert {"mongo-s1", "redis-1", "rabbit"} <= set(targets(faults=True)[kind])


def test_primaries_are_targets_only_where_there_are_other_members() -> None:
    assert "primary-s1" not in targets()[ChaosFaultKind.KILL]


def test_primaries_of_three_members_are_targets_by_name() -> None:
    found = targets(members=3)
    for kind in (ChaosFaultKind.KILL, ChaosFaultKind.PAUSE, ChaosFaultKind.RESTART):
        assert {"primary-s1", "primary-s2"} <= set(found[kind])


def test_clocks_are_wrong_in_processes_of_ours_and_each_outbox_has_a_relay() -> None:
    found = targets(regions=2)
    assert {"auth-serve", "auth-work-2", "control-plane", "rate-limiter"} <= set(found[ChaosFaultKind.SKEW])
    assert not {"envoy", "rabbit", "mongo-s1"} & set(found[ChaosFaultKind.SKEW])
    assert len(found[ChaosFaultKind.STEAL]) == 12
    assert found[ChaosFaultKind.FULL_DISK] == ["rabbit", "mongo-s1", "mongo-s2"]

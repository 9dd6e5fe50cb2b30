"""The cluster grows while people work: nothing is lost, and writes that meet a fence get through after it."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest
from pymongo import MongoClient

from chassis.sharding.slot_map import SlotMap
from chassis.sharding.slot_map_store import CLUSTER_DATABASE, SLOT_MAP_COLLECTION
from devstack.local_cluster import LocalCluster
from devstack.topology import Topology
from ops.errors import OpsError
from ops.migration import operator_actions
from ops.progress import StepProgress
from ops.shards import add_shard, status
from tests.growth.search_monitor import monitoring_search
from tests.stack import StackHandle
from tests.workload import WorkloadRun, running_workload

pytestmark = [pytest.mark.timeout(1500), pytest.mark.thorough]

IC: Final = Path(sys.executable).parent / "ic"
MAX_FENCE_S: Final = 4.0
MAX_TRIES: Final = 8
"""Of what meets a fence that a living mover lifts; one that was killed leaves it to the next."""
KILLED_AT: Final = (
    *(("telling", 0.0, 5.0), ("telling", 5.0, 5.5), ("telling", 5.0, 6.5)),
    *(("following", 0.0, 0.1), ("following", 0.0, 0.3), ("following", 0.0, 0.6)),
    *(("switched", 0.0, 10.0), ("switched", 0.0, 0.2), ("clearing", 0.0, 0.3), ("clearing", 0.0, 0.8)),
)
"""The line after which a mover is killed, and the minimum and maximum of seconds after it."""
MAX_LATE_SHARE: Final = 0.02
"""Of all calls: what a busy machine answers after their deadline. A write that meets a fence gets 503."""


def running_stack(stack: StackHandle) -> LocalCluster:
    return LocalCluster.load(Topology.load(stack.topology.path))


def test_a_cluster_grows_from_two_to_three_to_four_shards_under_load(stack: StackHandle) -> None:
    with monitoring_search(stack) as watch, running_workload(stack) as work:
        for name in ("s3", "s4"):
            add_shard.add_shard(running_stack(stack), name, "", StepProgress())
            moved = operator_actions.rebalance_slots(running_stack(stack), log_line)
            assert moved
            log_line(f"{moved}")
            assert all(each.fenced_s is not None and each.fenced_s < MAX_FENCE_S for each in moved)

    assert {each.slots for each in status.read_shard_statuses(running_stack(stack))} == {4096}
    assert status.find_shard_problems(running_stack(stack)) == []
    assert_nothing_failed(work)
    assert max(operation.tries for operation in work.operation_log.operations) <= MAX_TRIES
    assert watch.looks > 100
    assert watch.wrong == []


def test_a_move_that_is_killed_at_any_point_is_finished_by_the_next(stack: StackHandle) -> None:
    generator = random.Random()
    names = [shard.name for shard in Topology.load(stack.topology.path).shards]
    with monitoring_search(stack) as watch, running_workload(stack) as work:
        for line, min_s, max_s in KILLED_AT:
            first, after_s = generator.randrange(15_000), generator.uniform(min_s, max_s)
            target = generator.choice([name for name in names if name != owner_of(stack, first)])
            move = start_ic_shards(stack, "move", f"{first}-{first + 800}", "--to", target)
            wait_for_line(move, line)
            time.sleep(after_s)
            move.send_signal(signal.SIGKILL)
            move.wait()
            log_line(f"slots from {first} to {target}, killed {after_s:.2f} s after '{line}'")
            finish_migration(stack)

    assert_nothing_failed(work)
    assert watch.looks > 100
    assert watch.wrong == []


def test_a_move_that_was_killed_can_be_taken_back(stack: StackHandle) -> None:
    found = running_stack(stack)
    before = {each.name: (each.slots, each.documents) for each in status.read_shard_statuses(found)}
    target = next(name for name in before if name != "s1")
    move = start_ic_shards(stack, "move", "0-4000", "--to", target)
    wait_for_line(move, "following")
    move.send_signal(signal.SIGKILL)
    move.wait()
    there = next(each.documents for each in status.read_shard_statuses(found) if each.name == target)
    assert there is not None
    assert there > (before[target][1] or 0)

    operator_actions.abort_migration(found, log_line)

    assert {each.name: each.slots for each in status.read_shard_statuses(found)} == {
        name: slots for name, (slots, _) in before.items()
    }
    assert status.find_shard_problems(found) == []


def test_a_migration_that_was_paused_and_superseded_does_no_harm(stack: StackHandle) -> None:
    with monitoring_search(stack) as watch, running_workload(stack) as work:
        move = start_ic_shards(stack, "move", "0-2000", "--to", "s2")
        wait_for_line(move, "following")
        move.send_signal(signal.SIGSTOP)
        finish_migration(stack)
        move.send_signal(signal.SIGCONT)
        said, _ = move.communicate(timeout=120)
        log_line(said)

    assert move.returncode != 0
    assert status.find_shard_problems(running_stack(stack)) == []
    assert_nothing_failed(work)
    assert watch.wrong == []


def owner_of(stack: StackHandle, slot: int) -> str:
    """Return the shard that owns the slot."""
    uri = stack.admin_uris()["s1"]
    with MongoClient[dict[str, object]](uri) as client:
        copy = client[CLUSTER_DATABASE][SLOT_MAP_COLLECTION].find_one({})
    assert copy is not None
    return SlotMap.from_document(copy).owners[slot]


def finish_migration(stack: StackHandle) -> None:
    """Finish a move that is in progress, if there is one."""
    try:
        operator_actions.resume_migration(running_stack(stack), log_line)
    except OpsError as error:
        assert "no slots are on their way" in str(error)
    assert status.find_shard_problems(running_stack(stack)) == []


def log_line(line: str) -> None:
    """Print a line for the reader of the test's output."""
    sys.stdout.write(f"{time.monotonic():.1f} {line}\n")


def assert_nothing_failed(work: WorkloadRun) -> None:
    """Assert that every write that met a fence was retried and got through."""
    sys.stdout.write(
        f"{dict(work.operation_log.call_counts)}, "
        f"most tries {max(operation.tries for operation in work.operation_log.operations)}\n"
    )
    assert work.violations() == []
    assert len(work.operation_log.acknowledged("apply")) > 20
    assert [operation for operation in work.operation_log.operations if not operation.answer] == []
    counts = work.operation_log.call_counts
    assert {status for status in counts if status == "none" or status >= "500"} <= {"503", "504"}
    assert counts["504"] <= MAX_LATE_SHARE * sum(counts.values())


def start_ic_shards(stack: StackHandle, *arguments: str) -> "subprocess.Popen[str]":
    """Run `ic shards` as an operator does."""
    command: Sequence[str] = [str(IC), "shards", *arguments, "--stack", stack.topology.name]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )


def wait_for_line(process: "subprocess.Popen[str]", words: str) -> None:
    """Wait until the process prints a line with these words."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if words in line:
            return
    raise AssertionError(f"it ended without saying '{words}': {''.join(lines)}")

"""The cluster grows while people work: nothing is lost, and whoever meets a fence gets through after it."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from ops.moving import running
from ops.stack import growing, shards
from ops.stack.lifecycle import Stack as RunningStack
from ops.stack.steps import Steps
from ops.stack.topology import Topology
from tests.growth.conftest import Work, people_at_work
from tests.growth.watching import watched
from tests.stack import Stack

pytestmark = [pytest.mark.timeout(1500), pytest.mark.thorough]

IC: Final = Path(sys.executable).parent / "ic"
LONGEST_FENCE_S: Final = 2.0
KILLS: Final = 10
KILLED_WITHIN_S: Final = (0.8, 12.0)


def running_stack(stack: Stack) -> RunningStack:
    return RunningStack.of(Topology.load(stack.topology.path))


def test_a_cluster_grows_from_two_to_three_to_four_shards_under_load(stack: Stack) -> None:
    with people_at_work(stack) as work, watched(stack) as watch:
        for name in ("s3", "s4"):
            growing.add(Topology.load(stack.topology.path), name, "", Steps())
            moved = running.rebalance(running_stack(stack), tell)
            assert moved
            tell(f"{moved}")
            assert all(each.fenced_s is not None and each.fenced_s < LONGEST_FENCE_S for each in moved)

    assert {each.slots for each in shards.holdings(running_stack(stack))} == {4096}
    assert shards.complaints(running_stack(stack)) == []
    nothing_failed(work)
    assert watch.looks > 100
    assert watch.wrong == []


def test_a_move_that_is_killed_at_any_point_is_finished_by_the_next(stack: Stack) -> None:
    dice = random.Random()
    names = [shard.name for shard in Topology.load(stack.topology.path).shards]
    with people_at_work(stack) as work, watched(stack) as watch:
        for _ in range(KILLS):
            first, target = dice.randrange(16_000), dice.choice(names)
            after_s = dice.uniform(*KILLED_WITHIN_S)
            said = killed_after(stack, after_s, "move", f"{first}-{first + 300}", "--to", target)
            tell(f"slots from {first} to {target}, killed after {after_s:.1f} s, having said: {said}")
            if any("on their way" in each for each in shards.complaints(running_stack(stack))):
                running.resume(running_stack(stack), tell)
            assert shards.complaints(running_stack(stack)) == []

    nothing_failed(work)
    assert watch.wrong == []


def test_a_move_that_was_killed_can_be_taken_back(stack: Stack) -> None:
    found = running_stack(stack)
    before = {each.name: each.slots for each in shards.holdings(found)}
    slots = "0-4000"
    target = next(name for name in before if name != "s1")
    killed_after(stack, 4.0, "move", slots, "--to", target)

    running.abort(found, tell)

    assert {each.name: each.slots for each in shards.holdings(found)} == before
    assert shards.complaints(found) == []


def tell(line: str) -> None:
    """For whoever reads what the test has printed."""
    sys.stdout.write(f"{time.monotonic():.1f} {line}\n")


def nothing_failed(work: Work) -> None:
    """Whoever met a fence was told to come again, and got through."""
    sys.stdout.write(
        f"{dict(work.ledger.calls)}, most tries {max(deed.tries for deed in work.ledger.deeds)}\n"
    )
    assert work.findings() == []
    assert len(work.ledger.acknowledged("apply")) > 20
    assert [deed for deed in work.ledger.deeds if not deed.answer] == []
    assert {status for status in work.ledger.calls if status == "none" or status >= "500"} <= {"503"}
    assert max(deed.tries for deed in work.ledger.deeds) <= 8


def killed_after(stack: Stack, seconds: float, *arguments: str) -> str:
    """Runs `ic shards` and kills it with -9; what it had printed, in a line."""
    command: Sequence[str] = [str(IC), "shards", *arguments, "--stack", stack.topology.name]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    said, _ = process.communicate()
    return said.strip().splitlines()[-1] if said.strip() else "nothing said"

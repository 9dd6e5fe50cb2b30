"""People at work while things break: all kinds of faults together, and each alone."""

import pytest

from tests.stack import StackHandle
from verify.chaos.fault_schedule import ChaosFaultKind
from verify.chaos.runner import ChaosResult, run_chaos

pytestmark = [pytest.mark.timeout(600), pytest.mark.thorough]

SECONDS = 90.0
ALONE_S = 40.0


def assert_run_passed(verdict: ChaosResult) -> None:
    assert verdict.unready_processes == []
    assert verdict.violations == []
    assert len(verdict.operation_log.acknowledged("apply")) > 20
    assert verdict.operation_log.acknowledged("move")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_is_lost_doubled_oversold_or_miscounted(stack: StackHandle, seed: int) -> None:
    assert_run_passed(run_chaos(stack.topology, seed, SECONDS, print))


@pytest.mark.parametrize("kind", list(ChaosFaultKind))
def test_one_kind_of_fault_alone_loses_nothing(stack: StackHandle, kind: ChaosFaultKind) -> None:
    verdict = run_chaos(stack.topology, 1, ALONE_S, print, only=[kind])
    assert_run_passed(verdict)
    assert {fault.kind for fault in verdict.faults} == {kind}

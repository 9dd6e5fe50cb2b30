"""People at work while things break: all kinds of faults together, and each alone."""

import pytest

from ops.chaos.run import Verdict, run
from ops.chaos.schedule import Kind
from tests.stack import Stack

pytestmark = [pytest.mark.timeout(600), pytest.mark.thorough]

SECONDS = 90.0
ALONE_S = 40.0


def check(verdict: Verdict) -> None:
    assert verdict.not_well == []
    assert verdict.findings == []
    assert len(verdict.ledger.acknowledged("apply")) > 20
    assert verdict.ledger.acknowledged("move")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_is_lost_doubled_oversold_or_miscounted(stack: Stack, seed: int) -> None:
    check(run(stack.topology, seed, SECONDS, print))


@pytest.mark.parametrize("kind", list(Kind))
def test_nothing_is_when_one_kind_of_fault_strikes_alone(stack: Stack, kind: Kind) -> None:
    verdict = run(stack.topology, 1, ALONE_S, print, only=[kind])
    check(verdict)
    assert {strike.kind for strike in verdict.strikes} == {kind}

"""People at work while things break, with the strikes of three seeds."""

import pytest

from ops.chaos.run import run
from tests.stack import Stack

pytestmark = [pytest.mark.timeout(600), pytest.mark.thorough]

SECONDS = 90.0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_is_lost_doubled_oversold_or_miscounted(stack: Stack, seed: int) -> None:
    verdict = run(stack.topology, seed, SECONDS, print)
    assert verdict.not_well == []
    assert verdict.findings == []
    assert len(verdict.ledger.acknowledged("apply")) > 20
    assert verdict.ledger.acknowledged("move")
    assert verdict.ledger.calls["500"] == 0

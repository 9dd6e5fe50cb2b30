"""Where everything is there twice: primaries are struck, and everything is restarted in turn."""

import pytest

from ops.chaos.ledger import odd
from ops.chaos.run import run, run_rolling
from tests.stack import Stack

pytestmark = [pytest.mark.timeout(900), pytest.mark.thorough]

LATE_AT_MOST = 0.005
"""Of all calls, on a machine that starts processes while it answers."""
PRIMARIES = ("kill:primary-s1", "pause:primary-s1", "full-disk:mongo-s1")


def test_nothing_is_lost_while_one_primary_after_the_other_is_struck(redundant: Stack) -> None:
    verdict = run(redundant.topology, 1, 60.0, print, only=PRIMARIES)
    assert verdict.not_well == []
    assert verdict.findings == []
    assert verdict.ledger.acknowledged("apply")


def test_no_call_is_lost_or_turned_away_while_everything_is_restarted_in_turn(redundant: Stack) -> None:
    verdict = run_rolling(redundant.topology, print)
    assert verdict.not_well == []
    assert [each for each in verdict.findings if each.subject != odd("504")] == []
    calls = verdict.ledger.calls
    assert calls["504"] <= LATE_AT_MOST * calls.total()
    assert verdict.ledger.acknowledged("apply")

"""Where everything is there twice: primaries are struck, and everything is restarted in turn."""

import pytest

from tests.stack import StackHandle
from verify.chaos.operation_log import unexpected_answer_subject
from verify.chaos.runner import run_chaos, run_rolling_restart

pytestmark = [pytest.mark.timeout(900), pytest.mark.thorough]

MAX_LATE_SHARE = 0.005
"""Of all calls, on a machine that starts processes while it answers."""
PRIMARIES = ("kill:primary-s1", "pause:primary-s1", "full-disk:mongo-s1")


def test_nothing_is_lost_while_one_primary_after_the_other_fails(redundant: StackHandle) -> None:
    verdict = run_chaos(redundant.topology, 1, 60.0, print, only=PRIMARIES)
    assert verdict.unready_processes == []
    assert verdict.violations == []
    assert verdict.operation_log.acknowledged("apply")


def test_no_call_is_lost_or_turned_away_while_everything_is_restarted_in_turn(redundant: StackHandle) -> None:
    verdict = run_rolling_restart(redundant.topology, print)
    assert verdict.unready_processes == []
    assert [each for each in verdict.violations if each.subject != unexpected_answer_subject("504")] == []
    calls = verdict.operation_log.call_counts
    assert calls["504"] <= MAX_LATE_SHARE * calls.total()
    assert verdict.operation_log.acknowledged("apply")

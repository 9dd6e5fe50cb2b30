"""The faults of a run follow from its seed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.errors import OpsError
from verify.chaos.fault_schedule import (
    FINAL_QUIET_S,
    FIRST_FAULT_AT_S,
    INSTANT_KINDS,
    SKEW_MINUTES,
    ChaosFaultKind,
    Fault,
    draw_faults,
    select_fault_targets,
)

TARGETS = {
    ChaosFaultKind.KILL: ("auth-serve", "mongo-s1", "envoy"),
    ChaosFaultKind.PAUSE: ("auth-serve", "redis-1"),
    ChaosFaultKind.HANG: ("redis-1", "mongo-s1"),
    ChaosFaultKind.SKEW: ("auth-serve", "user-work"),
    ChaosFaultKind.DOWN: (),
}
SEEDS = st.integers(0, 1_000_000)


@given(seed=SEEDS)
def test_the_same_seed_gives_the_same_faults(seed: int) -> None:
    assert draw_faults(seed, 120, TARGETS) == draw_faults(seed, 120, TARGETS)


@given(seed=SEEDS, seconds=st.floats(30, 600))
def test_faults_are_in_order_within_the_run_and_leave_its_end_quiet(seed: int, seconds: float) -> None:
    faults = draw_faults(seed, seconds, TARGETS)
    assert faults
    assert [each.at_s for each in faults] == sorted(each.at_s for each in faults)
    assert faults[0].at_s >= FIRST_FAULT_AT_S
    for each in faults:
        assert each.ends_at_s <= seconds - FINAL_QUIET_S + 0.1
        assert each.target in TARGETS[each.kind]
        assert (each.for_s == 0) == (each.kind in INSTANT_KINDS) or each.for_s < 1


@given(seed=SEEDS)
def test_clocks_are_minutes_wrong_and_nothing_else_is(seed: int) -> None:
    for each in draw_faults(seed, 600, TARGETS):
        assert each.minutes in (SKEW_MINUTES if each.kind is ChaosFaultKind.SKEW else (0,))


@given(seed=SEEDS)
def test_no_target_has_two_faults_at_a_time(seed: int) -> None:
    faults = draw_faults(seed, 600, TARGETS)
    for number, each in enumerate(faults):
        for later in faults[number + 1 :]:
            assert later.target != each.target or later.at_s > each.ends_at_s


def test_other_seeds_give_other_faults() -> None:
    assert len({str(draw_faults(seed, 120, TARGETS)) for seed in range(20)}) > 15


def test_a_fault_describes_its_kind_target_and_duration() -> None:
    assert str(Fault(5.0, ChaosFaultKind.KILL, "envoy")) == "kill envoy"
    assert (
        str(Fault(5.0, ChaosFaultKind.SKEW, "user-work", 12.0, -3)) == "skew user-work by -3 min for 12.0 s"
    )


def test_without_a_selection_every_target_can_have_a_fault() -> None:
    assert select_fault_targets(TARGETS, ()) == TARGETS


def test_a_selection_restricts_the_faults_to_its_targets() -> None:
    only = select_fault_targets(TARGETS, ["kill:envoy", "hang", "kill:mongo-s1"])
    assert only == {ChaosFaultKind.KILL: ["envoy", "mongo-s1"], ChaosFaultKind.HANG: ["redis-1", "mongo-s1"]}
    assert {each.kind for each in draw_faults(1, 120, only)} == {ChaosFaultKind.KILL, ChaosFaultKind.HANG}


@pytest.mark.parametrize(
    ("wish", "complaint"),
    [
        ("explode", "there is no fault 'explode' here; there are: kill, pause, hang, skew"),
        ("down", "--faults"),
        ("kill:nobody", "'nobody' cannot be struck by kill; what can: auth-serve, mongo-s1, envoy"),
    ],
)
def test_a_wish_for_what_is_not_there_is_refused_with_what_is(wish: str, complaint: str) -> None:
    with pytest.raises(OpsError) as refusal:
        select_fault_targets(TARGETS, [wish])
    assert complaint in str(refusal.value)

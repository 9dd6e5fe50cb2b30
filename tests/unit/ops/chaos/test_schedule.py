"""The strikes of a run follow from its seed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.chaos.schedule import AT_A_MOMENT, FIRST_AT_S, MINUTES_OFF, QUIET_S, Kind, Strike, chosen, drawn
from ops.errors import OpsError

TARGETS = {
    Kind.KILL: ("auth-serve", "mongo-s1", "envoy"),
    Kind.PAUSE: ("auth-serve", "redis-1"),
    Kind.HANG: ("redis-1", "mongo-s1"),
    Kind.SKEW: ("auth-serve", "user-work"),
    Kind.DOWN: (),
}
SEEDS = st.integers(0, 1_000_000)


@given(seed=SEEDS)
def test_the_same_seed_gives_the_same_strikes(seed: int) -> None:
    assert drawn(seed, 120, TARGETS) == drawn(seed, 120, TARGETS)


@given(seed=SEEDS, seconds=st.floats(30, 600))
def test_strikes_are_in_order_within_the_run_and_leave_its_end_quiet(seed: int, seconds: float) -> None:
    strikes = drawn(seed, seconds, TARGETS)
    assert strikes
    assert [each.at_s for each in strikes] == sorted(each.at_s for each in strikes)
    assert strikes[0].at_s >= FIRST_AT_S
    for each in strikes:
        assert each.until_s <= seconds - QUIET_S + 0.1
        assert each.target in TARGETS[each.kind]
        assert (each.for_s == 0) == (each.kind in AT_A_MOMENT) or each.for_s < 1


@given(seed=SEEDS)
def test_clocks_are_minutes_wrong_and_nothing_else_is(seed: int) -> None:
    for each in drawn(seed, 600, TARGETS):
        assert each.minutes in (MINUTES_OFF if each.kind is Kind.SKEW else (0,))


@given(seed=SEEDS)
def test_nothing_is_struck_while_it_is_still_being_struck(seed: int) -> None:
    strikes = drawn(seed, 600, TARGETS)
    for number, each in enumerate(strikes):
        for later in strikes[number + 1 :]:
            assert later.target != each.target or later.at_s > each.until_s


def test_other_seeds_give_other_strikes() -> None:
    assert len({str(drawn(seed, 120, TARGETS)) for seed in range(20)}) > 15


def test_a_strike_says_what_it_does_to_whom_and_for_how_long() -> None:
    assert str(Strike(5.0, Kind.KILL, "envoy")) == "kill envoy"
    assert str(Strike(5.0, Kind.SKEW, "user-work", 12.0, -3)) == "skew user-work by -3 min for 12.0 s"


def test_without_a_wish_everything_can_be_struck() -> None:
    assert chosen(TARGETS, ()) == TARGETS


def test_what_is_asked_for_alone_is_struck_and_nothing_else() -> None:
    only = chosen(TARGETS, ["kill:envoy", "hang", "kill:mongo-s1"])
    assert only == {Kind.KILL: ["envoy", "mongo-s1"], Kind.HANG: ["redis-1", "mongo-s1"]}
    assert {each.kind for each in drawn(1, 120, only)} == {Kind.KILL, Kind.HANG}


@pytest.mark.parametrize(
    ("wish", "complaint"),
    [
        ("explode", "there is no strike 'explode' here; there are: kill, pause, hang, skew"),
        ("down", "--faults"),
        ("kill:nobody", "'nobody' cannot be struck by kill; what can: auth-serve, mongo-s1, envoy"),
    ],
)
def test_a_wish_for_what_is_not_there_is_refused_with_what_is(wish: str, complaint: str) -> None:
    with pytest.raises(OpsError) as refusal:
        chosen(TARGETS, [wish])
    assert complaint in str(refusal.value)

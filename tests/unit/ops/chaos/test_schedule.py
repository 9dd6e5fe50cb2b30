"""The strikes of a run follow from its seed."""

from hypothesis import given
from hypothesis import strategies as st

from ops.chaos.schedule import AT_A_MOMENT, FIRST_AT_S, QUIET_S, Kind, drawn

TARGETS = {
    Kind.KILL: ("auth-serve", "mongo-s1", "envoy"),
    Kind.PAUSE: ("auth-serve", "redis-1"),
    Kind.HANG: ("redis-1", "mongo-s1"),
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
        assert each.at_s + each.for_s <= seconds - QUIET_S + 0.1
        assert each.target in TARGETS[each.kind]
        assert (each.for_s == 0) == (each.kind in AT_A_MOMENT) or each.for_s < 1


@given(seed=SEEDS)
def test_nothing_is_struck_while_it_is_still_being_struck(seed: int) -> None:
    strikes = drawn(seed, 600, TARGETS)
    for number, each in enumerate(strikes):
        for later in strikes[number + 1 :]:
            assert later.target != each.target or later.at_s > each.at_s + each.for_s


def test_other_seeds_give_other_strikes() -> None:
    assert len({str(drawn(seed, 120, TARGETS)) for seed in range(20)}) > 15

"""The autoscaler does what Kubernetes documents of its own."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.capacity.simulation.autoscaler import (
    HorizontalAutoscaler,
    ScalingPolicy,
    desired_pods,
    recommended_pods,
)

POLICY = ScalingPolicy()


@given(st.integers(1, 10_000), st.floats(0, 3), st.floats(0.1, 1))
def test_desired_pods_are_kubernetes_formula_outside_its_tolerance(
    current: int, utilisation: float, target: float
) -> None:
    ratio = utilisation / target
    expected = current if abs(ratio - 1) <= 0.1 else math.ceil(round(current * ratio, 6))
    assert abs(desired_pods(current, utilisation, target) - expected) <= (abs(current * ratio % 1) < 1e-5)


@pytest.mark.parametrize(
    ("current", "utilisation", "desired"),
    # The documentation's examples: twice the target doubles, half of it halves; within 10 % nothing.
    [(4, 1.4, 8), (4, 0.35, 2), (10, 0.77, 10), (10, 0.63, 10), (10, 0.78, 12), (10, 0.62, 9), (3, 1.0, 5)],
)
def test_examples_of_the_formula(current: int, utilisation: float, desired: int) -> None:
    assert desired_pods(current, utilisation, 0.7) == desired


@given(st.integers(1, 500), st.integers(0, 500), st.floats(0, 1))
def test_pods_that_are_not_ready_only_ever_dampen_a_growth(
    ready: int, starting: int, utilisation: float
) -> None:
    pods = ready + starting
    wanted = recommended_pods(pods, ready, utilisation, 0.7)
    if utilisation > 0.7:
        assert pods <= wanted <= max(pods, desired_pods(pods, utilisation, 0.7))


def test_full_processes_ask_for_43_percent_more_and_never_for_twice() -> None:
    """A process that has used up its core shows 100 %, however many calls it refuses."""
    autoscaler = HorizontalAutoscaler(POLICY, 1000)
    assert autoscaler.sync(15, 1000, 1.0) == math.ceil(1000 / 0.7)


def test_growth_is_at_most_the_larger_of_double_and_a_hundred_pods_in_15_s() -> None:
    small = HorizontalAutoscaler(ScalingPolicy(min_pods=1), 10)
    assert small.sync(15, 10, 20.0) == 110
    large = HorizontalAutoscaler(ScalingPolicy(min_pods=1), 300)
    assert large.sync(15, 300, 20.0) == 600
    assert large.sync(20, 600, 20.0) == 600
    assert large.sync(31, 600, 20.0) == 1200


def test_it_goes_down_after_300_s_by_half_each_minute() -> None:
    autoscaler = HorizontalAutoscaler(ScalingPolicy(min_pods=10), 800)
    assert autoscaler.sync(0, 800, 0.7) == 800
    pods = {time: autoscaler.sync(time, autoscaler.pods, 0.01) for time in range(15, 600, 15)}

    assert {pods[time] for time in range(15, 301, 15)} == {800}
    assert pods[315] == 400
    assert pods[360] == 400
    assert pods[375] == 200
    assert pods[435] == 100
    assert pods[495] == 50


def test_a_load_that_returns_within_the_window_keeps_the_pods() -> None:
    autoscaler = HorizontalAutoscaler(ScalingPolicy(min_pods=10), 800)
    for time in range(0, 3000, 15):
        assert autoscaler.sync(time, 800, 0.7 if time % 240 == 0 else 0.1) == 800


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 100)), min_size=1, max_size=120))
def test_bounds_and_policies_hold_whatever_the_load_does(samples: list[tuple[float, int]]) -> None:
    policy = ScalingPolicy(min_pods=5, max_pods=500)
    autoscaler = HorizontalAutoscaler(policy, 20)
    history = [20]
    for number, (utilisation, starting) in enumerate(samples):
        ready = max(0, autoscaler.pods - starting)
        pods = autoscaler.sync(15 * (number + 1), ready, utilisation)
        assert policy.min_pods <= pods <= policy.max_pods
        assert pods <= max(2 * history[-1], history[-1] + 100)
        assert pods >= min(history[-5:]) // 2 or pods == policy.min_pods
        history.append(pods)


def test_without_ready_pods_nothing_is_decided() -> None:
    assert HorizontalAutoscaler(POLICY, 150).sync(15, 0, 1.0) == 150

"""A station loses no request, and lets none wait longer than its rules say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.capacity.simulation.autoscaler import HorizontalAutoscaler, ScalingPolicy
from ops.capacity.simulation.station import AdmissionRules, Station
from tests.unit.ops.capacity.simulation.event_queue import count_queue_after

REFUSING = AdmissionRules(max_wait_s=0.5, deadline_s=2.0, refusal_s=66e-6)
QUEUEING = AdmissionRules(max_wait_s=None, deadline_s=2.0, refusal_s=66e-6)


@given(
    st.lists(st.floats(0, 50_000), min_size=1, max_size=30),
    st.floats(1e-5, 0.1),
    st.integers(1, 100),
    st.booleans(),
)
def test_every_request_is_served_refused_or_waits(
    arrivals: list[float], service_s: float, pods: int, refuses: bool
) -> None:
    station = Station("a", pods, 1)
    rules = REFUSING if refuses else QUEUEING
    for arrived in arrivals:
        step = station.advance(arrived, service_s, 1.0, rules)
        assert step.queue_before + step.arrived == pytest.approx(
            step.served + step.refused + step.queue_after, rel=1e-9, abs=1e-6
        )
        assert min(step.served, step.refused, step.queue_after) >= -1e-6
        assert step.refused <= arrived + 1e-6
        assert 0 <= step.utilisation <= 1


def test_admitted_requests_wait_no_longer_than_the_rules_say() -> None:
    station = Station("a", 10, 1)
    steps = [station.advance(50_000, 0.001, 1.0, REFUSING) for _ in range(30)]
    assert steps[-1].refused > 0
    assert max(step.wait_s for step in steps) == pytest.approx(0.5, rel=0.03)


def test_refusing_costs_cpu_that_answers_lack() -> None:
    station = Station("a", 10, 1)
    steps = [station.advance(50_000, 0.001, 1.0, REFUSING) for _ in range(5)]
    assert steps[-1].served == pytest.approx((10 - steps[-1].refused * 66e-6) / 0.001, rel=1e-6)
    assert steps[-1].served < 10_000


def test_a_queue_grows_under_overload_as_single_calls_do() -> None:
    """Ten servers, 1,500 calls a second of which 1,000 can be served, for 20 s."""
    station = Station("a", 1, 10)
    for _ in range(20):
        step = station.advance(1500, 0.01, 1.0, QUEUEING)
    single = [count_queue_after(10, 1500, 0.01, 20, seed) for seed in range(5)]
    assert step.queue_after == pytest.approx(sum(single) / len(single), rel=0.05)


def test_a_pod_serves_only_after_it_has_started() -> None:
    station = Station("a", 100, 1, autoscaler=HorizontalAutoscaler(ScalingPolicy(min_pods=1), 100))
    for now_s in range(1, 60):
        station.autoscale(now_s, 1.0, pod_start_s=12, metric_delay_s=0)
        if now_s < 15:
            assert station.pods == 100
        if 15 <= now_s < 27:
            assert (station.ready, station.pods) == (100, 143)
        if 27 <= now_s < 30:
            assert station.ready == 143


def test_pods_that_are_not_needed_any_more_end_before_those_that_serve() -> None:
    station = Station("a", 10, 1, autoscaler=HorizontalAutoscaler(ScalingPolicy(min_pods=1), 10))
    station._set_pods(0, 30, 12)
    station._set_pods(1, 15, 12)
    assert (station.ready, station.pods) == (10, 15)
    station._set_pods(2, 4, 12)
    assert (station.ready, station.pods) == (4, 4)


def test_a_station_without_an_autoscaler_keeps_its_size() -> None:
    station = Station("mongod", 2.5, 16)
    station.autoscale(100, 1.0, 12, 15)
    assert station.pods == 2.5

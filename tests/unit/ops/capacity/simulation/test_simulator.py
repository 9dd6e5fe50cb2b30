"""The scenarios on the committed plan, and what must hold in every second of any scenario."""

import math
from functools import lru_cache
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.capacity.planner import plan_paths
from ops.capacity.simulation import scenarios
from ops.capacity.simulation.autoscaler import ScalingPolicy
from ops.capacity.simulation.scenarios import (
    SimulationRequest,
    SimulationRun,
    ramp,
    region_loss,
    run_scenario,
)
from ops.capacity.simulation.simulation_report import render_svg, run_content, spark_lines, summary_lines
from ops.capacity.simulation.simulator import ScenarioStep, SimulatedPath, SimulatedSecond, simulate
from ops.capacity.simulation.station import AdmissionRules, Station
from tests.unit.ops.capacity.plans import committed_tables, planned

RULES = AdmissionRules(max_wait_s=0.5, deadline_s=2.0, refusal_s=66e-6)


@lru_cache
def _run(name: str, *, has_admission: bool = True, regions: int = 20) -> SimulationRun:
    plan, tables = planned(regions=regions), committed_tables()
    question = SimulationRequest(100, 300, ScalingPolicy(), has_admission)
    return run_scenario(name, question, plan, plan_paths(plan.request, tables, plan), tables)


def _assert_conserved(seconds: list[SimulatedSecond] | tuple[SimulatedSecond, ...]) -> None:
    for second in seconds:
        ended = second.answered + second.refused + second.timed_out + second.lost
        came = second.arrived + second.queued_before
        assert came == pytest.approx(ended + second.queued, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("has_admission", [True, False])
@pytest.mark.parametrize("name", scenarios.SCENARIOS)
def test_no_request_is_lost_from_the_count(name: str, has_admission: bool) -> None:
    _assert_conserved(_run(name, has_admission=has_admission).seconds)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(0, 20_000), min_size=1, max_size=20),
    st.lists(st.floats(1e-5, 0.02), min_size=2, max_size=2),
    st.floats(0, 0.5),
    st.booleans(),
)
def test_any_load_is_conserved(rates: list[float], services: list[float], lost: float, refuses: bool) -> None:
    paths = [
        SimulatedPath("near", 0.7, 0.001, {"first": services[0]}),
        SimulatedPath("far", 0.3, 0.01, {"first": services[0], "second": services[1]}, uses_database=True),
    ]
    rules = RULES if refuses else AdmissionRules(None, 2.0, 66e-6)
    seconds = simulate(
        paths,
        [Station("first", 5, 2), Station("second", 3, 1)],
        lambda time_s: ScenarioStep(rates[int(time_s) - 1], lost, lost / 2),
        duration_s=len(rates),
        rules=rules,
        pod_start_s=12,
        metric_delay_s=15,
    )
    _assert_conserved(seconds)


def test_one_station_answers_as_m_m_1() -> None:
    seconds = simulate(
        [SimulatedPath("a", 1.0, 0.0, {"only": 0.01})],
        [Station("only", 1, 1)],
        lambda _time_s: ScenarioStep(70),
        duration_s=10,
        rules=RULES,
        pod_start_s=12,
        metric_delay_s=15,
    )
    assert seconds[-1].utilisation["only"] == pytest.approx(0.7)
    assert seconds[-1].p99_ms() == pytest.approx(1000 * math.log(100) * 0.01 / 0.3, rel=0.01)
    assert seconds[-1].answered == pytest.approx(70)


def test_a_ramp_ends_at_the_full_rate_with_enough_pods() -> None:
    run = _run("ramp")
    assert run.seconds[0].arrived < 1e6 / 20 / 100
    last = run.seconds[-1]
    assert last.arrived == pytest.approx(50_000)
    assert last.error_rate < 1e-3
    assert max(last.utilisation.values()) <= 0.78
    assert last.pods["internship-serve"] > run.seconds[0].pods["internship-serve"]


def test_overload_is_refused_and_not_answered_too_late() -> None:
    with_admission, without = _run("ramp"), _run("ramp", has_admission=False)
    late = sum(second.timed_out for second in with_admission.seconds)
    assert sum(second.refused for second in with_admission.seconds) > late
    assert sum(second.refused for second in without.seconds) == 0
    assert sum(second.timed_out for second in without.seconds) > 5 * late
    assert max(s.error_rate for s in without.seconds) > max(s.error_rate for s in with_admission.seconds)


def test_a_lost_regions_requests_fail_until_they_go_elsewhere() -> None:
    run, rules = _run("region-loss"), committed_tables().workload.simulation
    lost_at = int(scenarios.LOST_AT_S)
    before, during = run.seconds[lost_at - 1], run.seconds[lost_at + 1]
    after = run.seconds[lost_at + int(rules.failover_s) + 1]
    assert (before.lost, after.lost) == (0, 0)
    assert before.arrived == pytest.approx(1e6 / 20)
    assert during.lost / during.arrived == pytest.approx(1 / 20 + 19 / 20 * 0.05 / 20, rel=1e-6)
    assert after.arrived == pytest.approx(1e6 / 19)


def test_survivors_of_three_regions_scale_and_recover() -> None:
    run = _run("region-loss", regions=3)
    assert run.seconds[-1].error_rate < 1e-3
    assert run.seconds[-1].pods["gateway"] > run.seconds[0].pods["gateway"]


def test_the_rates_of_the_scenarios_are_those_of_their_definitions() -> None:
    rising = ramp(100, 1_000_000, 300, 20)
    assert rising(150).rate == pytest.approx((100 + 999_900 / 2) / 20)
    assert rising(1000).rate == pytest.approx(50_000)
    loss = region_loss(900, 3, failover_s=20, election_s=10)
    assert loss(scenarios.LOST_AT_S) == ScenarioStep(300)
    assert loss(scenarios.LOST_AT_S + 5) == ScenarioStep(450, 1 / 3, 1 / 3)
    assert loss(scenarios.LOST_AT_S + 15) == ScenarioStep(450, 1 / 3, 0)
    assert loss(scenarios.LOST_AT_S + 25) == ScenarioStep(450)


def test_reports_show_every_series() -> None:
    run = _run("ramp")
    lines = spark_lines(run)
    assert any(line.startswith("p99, ms") for line in lines)
    assert any("pods of gateway" in line for line in lines)
    assert any(line.startswith("answered ") for line in summary_lines(run))
    content = run_content(run)
    assert all(len(values) == len(content["time_s"]) for values in content["series"].values())
    root = ElementTree.fromstring(render_svg([run]))
    assert len(root.findall("{http://www.w3.org/2000/svg}polyline")) == len(lines)

"""Queueing theory beside known values, and beside a simulation of single calls."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.capacity.simulation.queueing import (
    PathLatency,
    erlang_c,
    latency_percentile_s,
    mean_wait_s,
    stretch_factor,
)
from tests.unit.ops.capacity.simulation.event_queue import simulate_calls, simulate_tandem

CALLS = 120_000


@pytest.mark.parametrize(
    ("servers", "load", "waits"),
    # One server: the utilisation. Two: 2 rho^2 / (1 + rho). Ten with 8 Erlang: 40.9 % in printed tables.
    [(1, 0.7, 0.7), (2, 1.2, 2 * 0.6**2 / 1.6), (10, 8.0, 0.409), (1, 0.0, 0.0)],
)
def test_erlang_c_has_the_values_of_the_tables(servers: int, load: float, waits: float) -> None:
    assert erlang_c(servers, load) == pytest.approx(waits, abs=5e-4)


@given(st.integers(1, 200), st.floats(0.01, 0.98))
def test_erlang_c_is_the_sum_of_its_definition(servers: int, utilisation: float) -> None:
    load = servers * utilisation
    # a^c / c! / (1 - rho) / (sum + that), by terms relative to a^c / c!, which does not overflow.
    terms, term = 0.0, 1.0
    for n in range(servers, 0, -1):
        term *= n / load
        terms += term
    expected = 1 / (1 - utilisation) / (1 / (1 - utilisation) + terms)
    assert erlang_c(servers, load) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("servers", "load"), [(0, 0.0), (1, 1.0), (2, 3.0), (1, -0.1)])
def test_a_load_that_cannot_be_carried_is_refused(servers: int, load: float) -> None:
    with pytest.raises(ValueError, match="cannot carry"):
        erlang_c(servers, load)


@pytest.mark.parametrize(("servers", "utilisation"), [(1, 0.5), (1, 0.8), (4, 0.7), (16, 0.85)])
def test_single_calls_wait_as_the_theory_says(servers: int, utilisation: float) -> None:
    service_s = 0.01
    rate = servers * utilisation / service_s
    calls = simulate_calls(servers, rate, service_s, CALLS, seed=7)

    assert calls.waiting_share == pytest.approx(erlang_c(servers, rate * service_s), rel=0.05)
    assert calls.mean_time_s - service_s == pytest.approx(
        mean_wait_s(servers, rate, service_s), rel=0.12, abs=service_s * 0.01
    )
    assert calls.mean_time_s == pytest.approx(service_s * stretch_factor(servers, utilisation), rel=0.05)


def test_the_p99_of_one_server_is_that_of_single_calls() -> None:
    service_s, utilisation = 0.01, 0.7
    calls = simulate_calls(1, utilisation / service_s, service_s, CALLS, seed=11)
    path = PathLatency("a", 1, 0.0, (service_s * stretch_factor(1, utilisation),))

    assert latency_percentile_s([path], 0.99) == pytest.approx(math.log(100) * service_s / 0.3, rel=1e-6)
    assert calls.percentile_s(0.99) == pytest.approx(latency_percentile_s([path], 0.99), rel=0.06)


def test_the_p99_of_three_stations_in_turn_is_that_of_single_calls() -> None:
    services, rate = [0.004, 0.006, 0.0059], 100.0
    times = sorted(simulate_tandem(rate, services, CALLS, seed=3))
    means = tuple(each * stretch_factor(1, rate * each) for each in services)

    found = latency_percentile_s([PathLatency("a", 1, 0.0, means)], 0.99)

    assert times[int(0.99 * len(times))] == pytest.approx(found, rel=0.06)


def test_the_p99_of_a_mixture_lies_in_its_slow_part() -> None:
    fast = PathLatency("fast", 95, 0.001, (1e-6,))
    slow = PathLatency("slow", 5, 0.0, (0.1,))
    # One in a hundred of all is one in five of the slow ones.
    assert latency_percentile_s([fast, slow], 0.99) == pytest.approx(0.1 * math.log(5), rel=0.01)


def test_what_misses_the_deadline_is_not_answered_and_not_in_the_percentile() -> None:
    path = PathLatency("a", 1000, 0.0, (1.0,), deadline_s=2.0)
    assert path.late == pytest.approx(1000 * math.exp(-2))
    assert path.answered + path.late == pytest.approx(1000)
    assert latency_percentile_s([path], 0.99) <= 2.0


def test_without_answers_there_is_no_latency() -> None:
    assert latency_percentile_s([], 0.99) == 0
    assert latency_percentile_s([PathLatency("a", 10, 5.0, (), deadline_s=2.0)], 0.99) == 0


@given(st.lists(st.floats(1e-6, 10), min_size=1, max_size=4), st.floats(0.95, 0.999))
def test_a_percentile_is_at_least_that_of_its_longest_part_and_at_most_their_sum(
    means: list[float], share: float
) -> None:
    found = latency_percentile_s([PathLatency("a", 1, 0.0, tuple(means))], share)
    single = [-math.log(1 - share) * mean for mean in means]
    assert max(single) * 0.98 <= found <= sum(single) * 1.02


@given(st.integers(1, 64), st.floats(0, 0.9), st.floats(0, 0.09))
def test_more_load_never_answers_sooner(servers: int, utilisation: float, more: float) -> None:
    assert stretch_factor(servers, utilisation + more) >= stretch_factor(servers, utilisation) - 1e-12

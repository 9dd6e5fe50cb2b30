"""A broken threshold is named with its figure, its bound and the reasons."""

import math
from dataclasses import replace

import pytest

from verify.load.load_result import (
    CallFigures,
    LoadResult,
    figures_of_calls,
    find_breaches,
    needs_limits_hint,
)
from verify.load.profiles import LoadThresholds

VIEW = CallFigures("view", 90, p50_ms=5, p95_ms=20, p99_ms=40, max_ms=44)
SUBMIT = CallFigures("submit", 10, p50_ms=50, p95_ms=90, p99_ms=95, max_ms=99)
GOOD = LoadResult("artillery", "sessions", 50, 0, duration_s=10, p99_ms=90, calls=[VIEW, SUBMIT])


def thresholds(*, error_percent: float = 0, p99_ms: float = 100) -> LoadThresholds:
    return LoadThresholds(max_error_percent=error_percent, max_p99_ms=p99_ms)


def test_a_run_within_its_thresholds_breaks_none() -> None:
    assert find_breaches(GOOD, thresholds()) == []
    assert GOOD.requests == 100
    assert GOOD.requests_per_s == 10


def test_a_slow_run_is_named_with_its_slowest_call() -> None:
    [breach] = find_breaches(GOOD, thresholds(p99_ms=80))
    assert breach == (
        "artillery: the p99 of the response times is 90 ms; the threshold p99-ms is 80 ms "
        "(the slowest: submit, 95 ms)"
    )


def test_failures_are_named_with_their_share_and_the_most_frequent_reasons() -> None:
    reasons = {"HTTP 500": 1, "HTTP 429": 3, "ETIMEDOUT": 2, "HTTP 404": 1}
    [breach] = find_breaches(replace(GOOD, failed=7, failures=reasons), thresholds(error_percent=10))
    assert breach.startswith(
        "artillery: 7 of 50 sessions failed, 14 %; the threshold max-error-percent is 10 %"
    )
    assert "(3 x HTTP 429, 2 x ETIMEDOUT, 1 x HTTP 500)" in breach


def test_a_share_that_equals_the_threshold_is_within_it() -> None:
    assert find_breaches(replace(GOOD, failed=5), thresholds(error_percent=10, p99_ms=90)) == []


@pytest.mark.parametrize("lacking", [{"attempted": 0}, {"p99_ms": math.nan}])
def test_a_run_without_an_answer_is_no_good_run(lacking: dict[str, float]) -> None:
    [breach] = find_breaches(replace(GOOD, **lacking, failures={"ECONNREFUSED": 4}), thresholds())  # type: ignore[arg-type]
    assert breach == "artillery: there was no answer to measure (4 x ECONNREFUSED)"


@pytest.mark.parametrize(
    ("reason", "hinted"), [("HTTP 429", True), ("RESOURCE_EXHAUSTED: later", True), ("HTTP 500", False)]
)
def test_refusals_by_rate_limits_are_pointed_out(reason: str, hinted: bool) -> None:
    assert needs_limits_hint([GOOD, replace(GOOD, failures={reason: 1})]) is hinted


def test_figures_of_single_calls_are_their_percentiles() -> None:
    found = figures_of_calls("x", [float(i) for i in range(1, 101)], {"HTTP 500": 2})
    assert (found.count, found.failed) == (100, 2)
    assert (found.p50_ms, found.p95_ms, found.p99_ms, found.max_ms) == (50, 95, 99, 100)

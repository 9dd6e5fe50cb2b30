"""Artillery's JSON becomes figures, and its process gets what the scenarios need."""

import math

import pytest

from verify.load.artillery import artillery_environment, parse_artillery_report
from verify.load.load_data import LoadData
from verify.load.load_result import find_breaches
from verify.load.profiles import LoadThresholds


def times(count: int, p99: float) -> dict[str, float]:
    return {"min": 1, "max": p99 + 1, "count": count, "p50": 2, "p95": p99 - 1, "p99": p99, "p999": p99}


REPORT = {
    "aggregate": {
        "counters": {
            "vusers.created": 10,
            "vusers.completed": 8,
            "vusers.failed": 2,
            "http.codes.200": 40,
            "http.codes.429": 1,
            "errors.ETIMEDOUT": 1,
            "errors.Failed expectations for request view": 1,
            "plugins.metrics-by-endpoint.view.codes.200": 30,
            "plugins.metrics-by-endpoint.view.codes.429": 1,
            "plugins.metrics-by-endpoint.submit.codes.200": 10,
            "plugins.metrics-by-endpoint.submit.errors.ETIMEDOUT": 1,
        },
        "rates": {"http.request_rate": 4},
        "summaries": {
            "http.response_time": times(41, 90),
            "http.response_time.2xx": times(40, 90),
            "plugins.metrics-by-endpoint.response_time.view": times(31, 30),
            "plugins.metrics-by-endpoint.response_time.submit": times(10, 95),
        },
        "firstMetricAt": 1_000,
        "lastMetricAt": 11_000,
    },
    "intermediate": [
        {
            "period": "1000",
            "rates": {"http.request_rate": 3},
            "summaries": {"http.response_time": times(9, 80)},
        },
        {"period": 11_000, "rates": {}, "summaries": {}},
    ],
}


def test_sessions_calls_and_failures_are_counted() -> None:
    result = parse_artillery_report(REPORT)
    assert (result.attempted, result.failed, result.error_percent) == (10, 2, 20)
    assert (result.p99_ms, result.duration_s, result.requests) == (90, 10, 41)
    assert result.failures == {
        "HTTP 429": 1,
        "ETIMEDOUT": 1,
        "Failed expectations for request view": 1,
    }
    submit, view = result.calls
    assert (submit.name, submit.count, submit.failures) == ("submit", 10, {"ETIMEDOUT": 1})
    assert (view.name, view.p99_ms, view.max_ms, view.failures) == ("view", 30, 31, {"HTTP 429": 1})


def test_intervals_start_with_the_first_answer() -> None:
    first, last = parse_artillery_report(REPORT).intervals
    assert (first.start_s, first.requests_per_s, first.p99_ms) == (0, 3, 80)
    assert (last.start_s, last.requests_per_s) == (10, 0)
    assert math.isnan(last.p99_ms)


def test_a_run_that_reached_nobody_breaks_a_threshold() -> None:
    aggregate = {"counters": {"vusers.created": 3, "errors.ECONNREFUSED": 3}, "rates": {}, "summaries": {}}
    result = parse_artillery_report({"aggregate": aggregate, "intermediate": []})
    [breach] = find_breaches(result, LoadThresholds(max_error_percent=100, max_p99_ms=1e9))
    assert "no answer to measure (3 x ECONNREFUSED)" in breach


def test_the_process_gets_accounts_listings_and_no_telemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTILLERY_DISABLE_TELEMETRY", "false")
    environment = artillery_environment(LoadData("secret", ["a", "b"], ["int_1", "int_2"]))
    assert environment["ARTILLERY_DISABLE_TELEMETRY"] == "true"
    assert environment["LOAD_PASSWORD"] == "secret"
    assert environment["LOAD_STUDENTS"] == "2"
    assert environment["LOAD_LISTINGS"] == "int_1,int_2"
    assert environment["WORKERS"] == "1"

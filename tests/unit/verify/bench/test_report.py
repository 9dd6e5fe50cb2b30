"""The table holds each row beside its baseline, and hides no failure."""

import json
from collections.abc import Sequence

from verify.bench.report import COLUMNS, BenchmarkReport, Machine, share_rows
from verify.bench.samples import BenchmarkResult, LoadSample, ProcessShare

ECHO = BenchmarkResult("echo", "bare echo", "echo", LoadSample(6.0, 5.0, [0.002] * 24_000), load=1.25)
GET = BenchmarkResult("get", "GetInternship", "internship", LoadSample(6.0, 6.0, [0.004] * 18_000), "echo")


def _report(results: Sequence[BenchmarkResult]) -> BenchmarkReport:
    return BenchmarkReport(Machine(2, "Some CPU", 24 * 2**30, 1.25), {"listings": 2_000}, 6.0, results)


def test_a_row_is_compared_to_its_baseline_by_time_and_by_cpu() -> None:
    echo, get = _report([ECHO, GET]).rows()
    assert echo == ("bare echo", "4,000", "4,800", "208", "2.0", "2.0", "-", "-", "0", "1.2", "echo")
    assert get[1:] == ("3,000", "3,000", "333", "4.0", "4.0", "75%", "62%", "0", "-", "internship")


def test_a_row_without_one_success_shows_no_latency_and_why_it_failed() -> None:
    broken = BenchmarkResult(
        "get", "GetInternship", "internship", LoadSample(6.0, 0.1, [], {"UNAVAILABLE: gone": 12}), "echo"
    )
    report = _report([ECHO, broken])
    assert list(report.rows())[1][1:-2] == ("0.0", "0.0", "-", "-", "-", "0%", "0%", "12")
    assert list(report.failures()) == ["GetInternship: 12 failed with UNAVAILABLE: gone"]


def test_markdown_holds_the_table_the_machine_and_the_size_of_the_stack() -> None:
    lines = _report([ECHO, GET]).markdown().splitlines()
    assert lines[0] == f"| {' | '.join(COLUMNS)} |"
    assert lines[1].startswith("| :-- | --: |")
    assert lines[3].startswith("| GetInternship | 3,000 |")
    assert any("2 cores (Some CPU), 24 GiB" in line for line in lines)
    assert "- the stack holds 2,000 listings" in lines
    assert "- load average before: 1.2; the load generator runs on the same cores" in lines


def test_a_window_that_ended_early_is_said() -> None:
    short = BenchmarkResult("submit", "submit", "application", LoadSample(2.5, 1.0, [0.01] * 100))
    assert "submit: the prepared calls lasted 2.5 s only" in list(_report([short]).notes())


def test_json_holds_what_the_table_shows() -> None:
    echo, get = json.loads(_report([ECHO, GET]).json())["rows"]
    assert (echo["requests_per_s"], echo["cpu_us"], echo["load_before"]) == (4_000, 208.3, 1.25)
    assert (get["baseline"], get["share"], get["share_per_cpu_s"]) == ("echo", 0.75, 0.625)
    assert (get["p50_ms"], get["cpu_counted"], get["load_before"]) == (4, "internship", None)


def test_hit_rates_kinds_of_calls_and_commands_are_shown_and_written() -> None:
    sample = LoadSample(
        *(6.0, 6.0, [0.004] * 10),
        commands={"find": 0.5},
        hit_rates={"edge": 0.81, "redis": 0.9},
        kinds={"browse": [0.001] * 4, "apply": [0.02] * 3},
    )
    report = _report([BenchmarkResult("mix", "the mix", "all", sample)])
    notes = list(report.notes())
    assert "the mix: browse: 4 calls, p50 1.0 ms, p99 1.0 ms" in notes
    assert "the mix: answered of the reads that reach a layer: edge 81%, redis 90%" in notes
    assert "the mix: commands of MongoDB per call: find 0.50" in notes
    [row] = json.loads(report.json())["rows"]
    assert row["hit_rates"] == {"edge": 0.81, "redis": 0.9}
    assert row["kinds"]["apply"] == {"requests": 3, "p50_ms": 20, "p99_ms": 20}
    assert row["commands_per_call"] == {"find": 0.5}


def test_documents_without_latencies_have_a_rate() -> None:
    sample = LoadSample(2.0, 4.0, (), counted=10_000)
    report = _report([BenchmarkResult("seed", "seeding", "mongod", sample)])
    [cells] = report.rows()
    assert cells[1:6] == ("5,000", "2,500", "400", "-", "-")
    assert not [note for note in report.notes() if "prepared" in note]


def test_the_cpu_of_a_call_is_shown_by_process() -> None:
    shares = [ProcessShare("envoy", 0.3), ProcessShare("rate-limiter", 0.02)]
    sample = LoadSample(6.0, 0.32, [0.001] * 1_000, shares=shares)
    rows = list(share_rows(BenchmarkResult("gateway", "get", "envoy, limiter", sample)))
    assert [row[:2] for row in rows] == [("get: envoy", "300"), ("get: rate-limiter", "20.0")]

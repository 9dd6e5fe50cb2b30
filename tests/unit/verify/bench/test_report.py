"""The table holds each row beside its baseline, and hides no failure."""

from collections.abc import Sequence

from verify.bench.report import COLUMNS, BenchmarkReport, Machine
from verify.bench.samples import BenchmarkResult, LoadSample

ECHO = BenchmarkResult("echo", "bare echo", "echo", LoadSample(6.0, 5.0, [0.002] * 24_000))
GET = BenchmarkResult("get", "GetInternship", "internship", LoadSample(6.0, 6.0, [0.004] * 18_000), "echo")


def _report(results: Sequence[BenchmarkResult]) -> BenchmarkReport:
    return BenchmarkReport(Machine(2, "Some CPU", 24 * 2**30, 1.25), {"listings": 2_000}, 6.0, results)


def test_a_row_is_compared_to_its_baseline_by_time_and_by_cpu() -> None:
    echo, get = _report([ECHO, GET]).rows()
    assert echo == ("bare echo", "4,000", "4,800", "2.0", "2.0", "-", "-", "0", "echo")
    assert get == ("GetInternship", "3,000", "3,000", "4.0", "4.0", "75%", "62%", "0", "internship")


def test_a_row_without_one_success_shows_no_latency_and_why_it_failed() -> None:
    broken = BenchmarkResult(
        "get", "GetInternship", "internship", LoadSample(6.0, 0.1, [], {"UNAVAILABLE: gone": 12}), "echo"
    )
    report = _report([ECHO, broken])
    assert list(report.rows())[1] == ("GetInternship", "0.0", "0.0", "-", "-", "0%", "0%", "12", "internship")
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

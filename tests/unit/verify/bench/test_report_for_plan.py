"""The benchmark's report is what the capacity plan reads."""

import json
from datetime import UTC, datetime

import pytest

from ops.capacity.measured import MeasuredFigures
from ops.capacity.table_files import load_workload
from verify.bench.report import BenchmarkReport, Machine
from verify.bench.rows import BENCHMARK_ROWS
from verify.bench.samples import BenchmarkResult, LoadSample, ProcessShare

SUBMIT = BenchmarkResult(
    "submit-handled-64",
    "submit",
    "all",
    LoadSample(6.0, 3.0, [0.01] * 100, shares=[ProcessShare("mongo-s1", 1.0), ProcessShare("rabbit", 0.5)]),
)
BROKEN = BenchmarkResult("get-native", "get", "internship", LoadSample(6.0, 0.1, [], {"gone": 1}))


def test_a_plan_reads_cpu_processes_machine_and_date_of_a_report() -> None:
    machine = Machine(2, "Some CPU", 24 * 2**30, 1.25)
    report = BenchmarkReport(machine, {"listings": 2_000}, 6.0, [SUBMIT, BROKEN])

    figures = MeasuredFigures.from_bench_report(json.loads(report.json()), "bench.json")

    assert set(figures.rows) == {"submit-handled-64"}
    assert figures.cpu_us("submit-handled-64") == pytest.approx(30_000)
    assert figures.cpu_us("submit-handled-64/mongod") == pytest.approx(20_000)
    today = datetime.now(UTC).date()
    assert figures.origin == f"bench.json, {today}, 2 cores, Some CPU, load average before 1.25"


def test_the_rows_that_a_plan_needs_are_those_of_the_benchmark_or_of_the_workload() -> None:
    workload = load_workload()
    kinds = workload.kinds.values()
    used = {row for kind in kinds for terms in kind.cpu.values() for row in terms}
    used |= {row for kind in kinds for row in (*kind.processes_of, *kind.workers_of)}
    known = {row.name for row in BENCHMARK_ROWS} | set(workload.figures)
    assert {row.partition("/")[0] for row in used} <= known

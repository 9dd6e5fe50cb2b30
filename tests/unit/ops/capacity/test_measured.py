"""Figures of the benchmark's report."""

from typing import Any

import pytest

from ops.capacity.measured import FiguresError, MeasuredFigures, further_figures


def _report(**rows: Any) -> dict[str, Any]:
    return {
        "machine": {"cores": 2, "cpu": "a CPU", "load": 0.3},
        "rows": [{"name": name.replace("_", "-"), **row} for name, row in rows.items()],
    }


def test_the_cpu_of_a_row_is_split_by_process_and_shards_are_added_up() -> None:
    shares = [
        {"name": "mongo-s1", "cpu_s": 1.0},
        {"name": "mongo-s2", "cpu_s": 2.0},
        {"name": "rabbit", "cpu_s": 1.0},
    ]
    figures = MeasuredFigures.from_bench_report(_report(submit={"cpu_us": 400.0, "cpu_shares": shares}), "f")

    assert figures.cpu_us("submit") == 400
    assert figures.cpu_us("submit/mongod") == 300
    assert figures.cpu_us("submit/rabbit") == 100


def test_the_origin_says_which_machine_at_which_load_and_that_a_date_is_unknown() -> None:
    figures = MeasuredFigures.from_bench_report(_report(get={"cpu_us": 1}), "mine.json")
    assert figures.origin == "mine.json, date unknown, 2 cores, a CPU, load average before 0.3"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([], "no list `rows`"),
        ({"rows": [{}]}, "a row has no `name`"),
        (_report(get={"cpu_us": None}), "no row has `cpu_us`"),
        (_report(get={"cpu_us": -1}), "no positive number"),
        (_report(get={"cpu_us": "fast"}), "no positive number"),
        (_report(get={"cpu_us": 1, "cpu_shares": [{"name": "x"}]}), "`cpu_shares` of the row 'get'"),
    ],
)
def test_what_is_no_report_says_why(content: Any, says: str) -> None:
    with pytest.raises(FiguresError, match=says):
        MeasuredFigures.from_bench_report(content, "f")


def test_missing_rows_and_processes_are_named() -> None:
    figures = MeasuredFigures.from_bench_report(_report(get={"cpu_us": 1}), "f")
    with pytest.raises(FiguresError, match="no row 'put' was measured; there are: get"):
        figures.cpu_us("put")
    with pytest.raises(FiguresError, match="'get' has no CPU of the process 'envoy'"):
        figures.cpu_us("get/envoy")


def test_what_a_report_lacks_comes_from_the_committed_one_and_is_named() -> None:
    shares = [{"name": "a", "cpu_s": 1.0}, {"name": "b", "cpu_s": 3.0}]
    committed = MeasuredFigures.from_bench_report(
        _report(get={"cpu_us": 7}, submit={"cpu_us": 400, "cpu_shares": shares}), "old"
    )
    own = MeasuredFigures.from_bench_report(_report(submit={"cpu_us": 200}), "new")

    figures = own.with_fallback(committed, "from old")

    assert (figures.cpu_us("get"), figures.cpu_us("submit")) == (7, 200)
    assert figures.cpu_us("submit/b") == 150
    assert "from old: get" in figures.origin
    assert "split by process only: submit" in figures.origin


def test_further_figures_are_a_total_or_the_sum_of_processes() -> None:
    found = further_figures({"find": {"client": 2, "mongod": 3, "source": "x"}, "limit": {"all": 10}})
    assert found["find"].cpu_us == 5
    assert found["limit"].cpu_us == 10

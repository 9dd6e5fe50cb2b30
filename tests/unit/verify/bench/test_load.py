"""The requests, the figures of h2load's log, and the chosen rows."""

from dataclasses import replace
from typing import cast

import pytest

from internshipconnect.common.v1.common_pb2 import Location
from internshipconnect.internship.v1 import internship_pb2 as pb
from ops.errors import OpsError
from verify.bench import grpc_load, rows
from verify.bench.child_process import run_in_child_process
from verify.bench.closed_loop import MeasurementTimes
from verify.bench.echo_server import ECHO_METHOD, running_echo_server
from verify.bench.grpc_load import GrpcLoadPlan, PreparedCall
from verify.bench.http_load import grpc_frame, parse_http_load_log
from verify.bench.samples import LoadSample, ratio
from verify.bench.search_queries import build_search_requests, misspell
from verify.bench.target import BenchmarkTarget

LISTING = pb.Internship(
    title="Backend Engineering Intern",
    field="Software Engineering",
    skills=[pb.SkillNeed(name="Go"), pb.SkillNeed(name="SQL")],
    locations=[Location(city="Berlin")],
)


def test_h2loads_log_gives_latencies_of_successes_and_reasons_of_the_others() -> None:
    log = ["17\t200\t1500", "18\t200\t2500", "19\t503\t100", "20\t-1\t5", "21\t503\t90"]
    sample = parse_http_load_log(log, 2.0, 0.5)
    assert sample.latencies_s == (0.0015, 0.0025)
    assert sample.failures == {"HTTP 503": 2, "no answer": 1}


def test_a_grpc_frame_carries_the_length_of_its_message() -> None:
    assert grpc_frame(b"abc") == b"\0\0\0\0\3abc"


def test_searches_are_of_four_kinds_in_turn() -> None:
    text, wrong, skill_in_city, browse, again = build_search_requests([LISTING] * 5)
    assert text == again == pb.ListInternshipsRequest(q="Backend Engineering Intern")
    assert wrong.q == "Bakcend Engineering Intern"
    assert (list(skill_in_city.skills), skill_in_city.city) == (["Go"], "Berlin")
    assert browse.field == "Software Engineering"
    assert not browse.q


def test_short_words_are_not_misspelt() -> None:
    assert misspell("Go UX Lab") == "Go UX Lab"


def test_a_row_that_is_asked_for_brings_its_baseline() -> None:
    assert [row.name for row in rows.select_rows(["login"])] == ["argon2", "login"]
    assert [row.name for row in rows.select_rows(["get", "search"])] == ["echo", "get", "search"]


def test_rows_that_take_long_are_measured_only_by_their_names() -> None:
    measured = {row.name for row in rows.select_rows([])}
    assert not measured & {"filters", "mix", "seed"}
    assert {"chain", "signed-in", "two-processes", "submit-handled"} <= measured
    assert [row.name for row in rows.select_rows(["mix", "filters"])] == ["mix", "filters"]


def test_a_row_that_does_not_exist_is_answered_with_those_that_do() -> None:
    with pytest.raises(OpsError, match="no row 'logon'; there are: echo, get"):
        rows.select_rows(["logon"])


def test_every_baseline_is_a_row_above() -> None:
    seen: set[str | None] = {None}
    for row in rows.BENCHMARK_ROWS:
        assert row.baseline in seen
        seen.add(row.name)


def test_a_function_runs_in_a_process_of_its_own() -> None:
    assert run_in_child_process(ratio, 1.0, of=2.0) == 0.5


def test_a_function_that_fails_over_there_is_an_operators_error() -> None:
    with pytest.raises(OpsError, match="ended early"):
        run_in_child_process(ratio, "not", "numbers")  # type: ignore[arg-type]


def test_the_echo_answers_the_load_and_an_unknown_method_is_counted_as_failed() -> None:
    pace = MeasurementTimes(window_s=1.0, warm_up_s=0.1)
    with running_echo_server() as echo:
        answered = run_in_child_process(
            grpc_load.run_grpc_load,
            GrpcLoadPlan([echo.target], ECHO_METHOD, [PreparedCall(b"")], 4, (echo.pid,)),
            pace,
        )
        refused = run_in_child_process(
            grpc_load.run_grpc_load,
            GrpcLoadPlan([echo.target], "/no/such", [PreparedCall(b"")], 4, (echo.pid,)),
            pace,
        )
    assert answered.per_s > 0
    assert answered.failures == {}
    assert refused.per_s == 0
    assert [reason.partition(":")[0] for reason in refused.failures] == ["UNIMPLEMENTED"]


def test_calls_go_to_all_targets() -> None:
    pace = MeasurementTimes(window_s=0.5, warm_up_s=0.1)
    with running_echo_server() as one, running_echo_server("native") as other:
        both = GrpcLoadPlan([one.target, other.target], ECHO_METHOD, [PreparedCall(b"")], 4, (one.pid,))
        found = run_in_child_process(grpc_load.run_grpc_load, both, pace)
        alone = replace(both, targets=[one.target, "127.0.0.1:1"])
        partly = run_in_child_process(grpc_load.run_grpc_load, alone, pace)
    assert found.failures == {}
    assert [reason.partition(":")[0] for reason in partly.failures] == ["UNAVAILABLE"]


def test_variants_are_rows_beside_the_first_of_them() -> None:
    samples = {"all": LoadSample(1.0, 0.1, [0.1]), "without-jwt": LoadSample(1.0, 0.05, [0.1])}
    row = rows.VariantRows(
        "filters", {name: f"edge: {name}" for name in samples}, "envoy", lambda _field, _pace: samples
    )
    whole, without = row.results(cast(BenchmarkTarget, None), MeasurementTimes(1.0, 0.1))
    assert (whole.name, whole.baseline) == ("filters:all", None)
    assert (without.name, without.title, without.baseline) == (
        *("filters:without-jwt", "edge: without-jwt"),
        "filters:all",
    )
    assert without.sample is samples["without-jwt"]

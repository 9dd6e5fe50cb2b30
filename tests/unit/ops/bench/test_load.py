"""What is sent, what h2load's log says, and which rows are measured."""

import pytest

from internshipconnect.common.v1.common_pb2 import Location
from internshipconnect.internship.v1 import internship_pb2 as pb
from ops.bench import grpc_load, rows
from ops.bench.child import in_child
from ops.bench.echo import METHOD, running_echo
from ops.bench.figures import ratio
from ops.bench.grpc_load import Call, Plan
from ops.bench.http_load import grpc_frame, sample_of
from ops.bench.loop import Pace
from ops.bench.queries import misspelt, queries
from ops.errors import OpsError

LISTING = pb.Internship(
    title="Backend Engineering Intern",
    field="Software Engineering",
    skills=[pb.SkillNeed(name="Go"), pb.SkillNeed(name="SQL")],
    locations=[Location(city="Berlin")],
)


def test_h2loads_log_gives_latencies_of_successes_and_reasons_of_the_others() -> None:
    log = ["17\t200\t1500", "18\t200\t2500", "19\t503\t100", "20\t-1\t5", "21\t503\t90"]
    sample = sample_of(log, 2.0, 0.5)
    assert sample.latencies_s == (0.0015, 0.0025)
    assert sample.failures == {"HTTP 503": 2, "no answer": 1}


def test_a_grpc_frame_tells_the_length_of_its_message() -> None:
    assert grpc_frame(b"abc") == b"\0\0\0\0\3abc"


def test_searches_are_of_four_kinds_in_turn() -> None:
    text, wrong, skill_in_city, browse, again = queries([LISTING] * 5)
    assert text == again == pb.ListInternshipsRequest(q="Backend Engineering Intern")
    assert wrong.q == "Bakcend Engineering Intern"
    assert (list(skill_in_city.skills), skill_in_city.city) == (["Go"], "Berlin")
    assert browse.field == "Software Engineering"
    assert not browse.q


def test_short_words_are_not_misspelt() -> None:
    assert misspelt("Go UX Lab") == "Go UX Lab"


def test_a_row_that_is_asked_for_brings_its_baseline() -> None:
    assert [row.name for row in rows.chosen(["login"])] == ["argon2", "login"]
    assert [row.name for row in rows.chosen(["get", "search"])] == ["echo", "get", "search"]
    assert rows.chosen([]) == list(rows.ROWS)


def test_a_row_that_does_not_exist_is_answered_with_those_that_do() -> None:
    with pytest.raises(OpsError, match="no row 'logon'; there are: echo, get"):
        rows.chosen(["logon"])


def test_every_baseline_is_a_row_above() -> None:
    seen: set[str | None] = {None}
    for row in rows.ROWS:
        assert row.baseline in seen
        seen.add(row.name)


def test_a_function_runs_in_a_process_of_its_own() -> None:
    assert in_child(ratio, 1.0, of=2.0) == 0.5


def test_a_function_that_fails_over_there_is_an_operators_error() -> None:
    with pytest.raises(OpsError, match="ended early"):
        in_child(ratio, "not", "numbers")  # type: ignore[arg-type]


def test_the_echo_answers_the_load_and_an_unknown_method_is_counted_as_failed() -> None:
    pace = Pace(seconds=1.0, warm_up_s=0.1)
    with running_echo() as echo:
        answered = in_child(grpc_load.drive, Plan(echo.target, METHOD, [Call(b"")], 4, (echo.pid,)), pace)
        refused = in_child(grpc_load.drive, Plan(echo.target, "/no/such", [Call(b"")], 4, (echo.pid,)), pace)
    assert answered.per_s > 0
    assert answered.failures == {}
    assert refused.per_s == 0
    assert [reason.partition(":")[0] for reason in refused.failures] == ["UNIMPLEMENTED"]

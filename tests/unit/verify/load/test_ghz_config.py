"""The configurations of ghz are read, filled in, and refused when they are wrong."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from internshipconnect.application.v1 import application_pb2
from ops.errors import OpsError
from verify.load.ghz import combine_ghz_reports, render_ghz_config
from verify.load.ghz_config import GhzConfig, expand_calls, fill_templates, read_ghz_configs
from verify.load.grpc_calls import GrpcClassPlan, build_message
from verify.load.load_target import LoadTarget

VALUES = {
    "TOKEN": ["t1", "t2", "t3"],
    "OPEN_LISTING": ["int_1", "int_2"],
    "TITLE": ["Data Intern"],
    "NEW_LISTING": ["int_8", "int_9"],
}
TARGET = LoadTarget("http", "127.0.0.1", 8099)


def config_named(name: str) -> GhzConfig:
    return next(each for each in read_ghz_configs() if each.name == name)


def write_config(folder: Path, **changed: Any) -> Path:
    fields = config_named("write").model_dump() | changed
    (folder / "wrong.json").write_text(json.dumps(fields))
    return folder


def test_there_is_one_for_each_class_of_calls_and_all_are_of_the_contracts() -> None:
    configs = read_ghz_configs()
    assert [each.name for each in configs] == ["public-read", "search", "signed-in-read", "write"]
    for config in configs:
        call = next(expand_calls(config, VALUES))
        build_message(config, fill_templates(call.data))


def test_each_pair_of_listing_and_student_is_called_once_and_neighbours_share_no_student() -> None:
    calls = list(expand_calls(config_named("write"), VALUES))
    pairs = [(call.data["internshipId"], call.metadata["authorization"]) for call in calls]
    assert len(set(pairs)) == len(pairs) == 6
    assert [token for _, token in pairs[:3]] == ["Bearer t1", "Bearer t2", "Bearer t3"]


def test_templates_are_filled_in_for_each_call() -> None:
    config = config_named("write")
    call = next(expand_calls(config, VALUES))
    first, second = (fill_templates(call.metadata)["idempotency-key"] for _ in range(2))
    assert uuid.UUID(first) != uuid.UUID(second)
    request = build_message(config, fill_templates(call.data))
    assert isinstance(request, application_pb2.SubmitApplicationRequest)
    assert "{" not in request.cover_letter
    address = fill_templates(config_named("search").metadata)["x-forwarded-for"]
    assert all(0 <= int(part) <= 255 for part in address.split("."))


def test_what_the_stack_lacks_is_named() -> None:
    with pytest.raises(OpsError, match=r"search: the stack has nothing for \$\{TITLE\}"):
        list(expand_calls(config_named("search"), {**VALUES, "TITLE": []}))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"call": "no method"}, "call"),
        ({"rps": 0}, "rps"),
        ({"concurrency": 5000}, "concurrency"),
        ({"timeout": "soon"}, "timeout"),
        ({"qps": 3}, "qps"),
        ({"data": {"internshipId": "${LISTING}"}}, r"nothing is known for \$\{LISTING\}"),
        ({"data": {"internshipId": "{{.UUID}}"}}, r"the template \{\{.UUID\}\} is none of: newUUID"),
        ({"data": {"a": "${TITLE}", "b": "${NEW_LISTING}"}}, "at most 2 different placeholders"),
    ],
)
def test_a_wrong_file_is_refused_by_its_field(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(OpsError, match=rf"wrong\.json: .*{message}"):
        read_ghz_configs(write_config(tmp_path, **changed))


def test_a_method_or_a_field_that_there_is_not_is_refused() -> None:
    config = config_named("write")
    with pytest.raises(OpsError, match="there is no method"):
        build_message(config.model_copy(update={"call": "internshipconnect.x.v1.X/Y"}), {})
    with pytest.raises(OpsError, match=r"write: data: .*nonsense"):
        build_message(config, {"nonsense": 1})


def test_ghz_gets_one_student_all_listings_and_no_placeholder() -> None:
    config = config_named("write")
    rendered = render_ghz_config(GrpcClassPlan(config, 2, 20), TARGET, {**VALUES, "TOKEN": ["t1"]})
    assert rendered["host"] == "127.0.0.1:8099"
    assert [each["internshipId"] for each in rendered["data"]] == ["int_8", "int_9"]
    assert rendered["metadata"] == {"authorization": "Bearer t1", "idempotency-key": "{{newUUID}}"}
    assert rendered["total"] == 2
    assert "duration" not in rendered
    read = render_ghz_config(GrpcClassPlan(config_named("public-read"), 30, 60), TARGET, VALUES)
    assert (read["rps"], read["duration"]) == (30, "60s")


def test_ghz_reports_become_figures() -> None:
    report = {
        "name": "write",
        "count": 20,
        "total": 10_000_000_000,
        "slowest": 90_000_000,
        "statusCodeDistribution": {"OK": 18, "Unavailable": 2},
        "latencyDistribution": [
            {"percentage": 50, "latency": 5_000_000},
            {"percentage": 95, "latency": 20_000_000},
            {"percentage": 99, "latency": 80_000_000},
        ],
    }
    result = combine_ghz_reports([report, {**report, "name": "search", "statusCodeDistribution": {"OK": 20}}])
    assert (result.attempted, result.failed, result.failures) == (40, 2, {"Unavailable": 2})
    assert (result.p99_ms, result.duration_s) == (80, 10)
    assert result.calls[0].max_ms == 90

"""The OpenAPI document follows the contracts."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from protovalidate import Validator

import internshipconnect
from chassis.contracts import RpcSpec
from gateway.api_surface import edge_rpcs
from gateway.openapi.document import build_openapi
from gateway.openapi.page import render_page
from gateway.openapi.responses import possible_errors
from ops.paths import REPO

_DESCRIPTORS = Path(next(iter(internshipconnect.__path__))).with_name("internshipconnect.binpb")


@cache
def _document(*, with_older: bool = False) -> dict[str, Any]:
    return build_openapi(_DESCRIPTORS, with_older=with_older)


def _operations(*, with_older: bool = False) -> list[dict[str, Any]]:
    paths = _document(with_older=with_older)["paths"]
    return [operation for item in paths.values() for operation in item.values()]


@pytest.mark.parametrize("with_older", [False, True])
def test_the_document_is_valid_openapi(with_older: bool) -> None:
    validate(_document(with_older=with_older))


def test_every_call_is_one_operation_of_its_own_name() -> None:
    names = [operation["operationId"] for operation in _operations()]
    assert sorted(names) == sorted(
        [*(rpc.name for rpc in edge_rpcs() if rpc.http), "GetHealth", "GetReadiness"]
    )


def test_every_binding_of_every_call_is_an_operation_of_the_document_with_the_older_paths() -> None:
    operations = _operations(with_older=True)
    assert len(operations) == sum(len(rpc.http) for rpc in edge_rpcs()) + 2
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert all(name.isalpha() for name in names)


def test_older_paths_are_marked_as_such() -> None:
    paths = _document(with_older=True)["paths"]
    assert paths["/auth/login"]["post"]["deprecated"]
    assert "deprecated" not in paths["/api/v1/auth/login"]["post"]
    assert "/auth/login" not in _document()["paths"]


def test_what_is_always_printed_is_required_in_answers() -> None:
    listing = _schema("Internship")
    assert {"id", "title", "skills", "workMode", "openForApplications"} <= set(listing["required"])
    assert not {"compensation", "applyDeadline", "startWindow"} & set(listing["required"])


def test_the_kind_of_account_is_required_at_registration() -> None:
    body = _body("/api/v1/auth/register", "post")["schema"]
    assert set(body["required"]) == {"email", "password", "kind", "name"}
    assert body["properties"]["kind"]["enum"] == ["ACCOUNT_KIND_STUDENT", "ACCOUNT_KIND_COMPANY"]


def test_what_only_the_server_sets_is_not_asked_for() -> None:
    sent, answered = _schema("InternshipInput"), _schema("Internship")
    assert not {"id", "state", "createTime"} & set(sent["properties"])
    assert all(answered["properties"][name]["readOnly"] for name in ("id", "state", "createTime"))


def test_enums_are_closed_in_requests_and_open_in_answers() -> None:
    assert "WORK_MODE_REMOTE" in _schema("InternshipInput")["properties"]["workMode"]["enum"]
    answered = _schema("Internship")["properties"]["workMode"]
    assert "enum" not in answered
    assert "WORK_MODE_REMOTE" in answered["x-extensible-enum"]
    assert "enum" not in _schema("ErrorDetail")["properties"]["reason"]


def test_everything_is_described() -> None:
    for name, schema in _document()["components"]["schemas"].items():
        assert schema["description"], name
        assert [field for field, one in schema["properties"].items() if not one.get("description")] == [], (
            name
        )
    for operation in _operations():
        assert all(each["description"] for each in operation.get("parameters", [])), operation["operationId"]


@pytest.mark.parametrize(
    "rpc", [rpc for rpc in edge_rpcs() if rpc.body and not rpc.http_body_field], ids=lambda rpc: rpc.name
)
def test_the_example_of_a_body_is_one_that_the_contract_accepts(rpc: RpcSpec) -> None:
    method, path = rpc.http[0].method, re.sub(r"_([a-z])", lambda one: one.group(1).upper(), rpc.http[0].path)
    operation = _document()["paths"][path][method.lower()]
    example = operation["requestBody"]["content"]["application/json"]["example"]
    request = rpc.request_type()
    ParseDict(example if rpc.body == "*" else {rpc.body: example}, request)
    for parameter in operation["parameters"]:
        if parameter["in"] == "path":
            ParseDict({parameter["name"]: parameter["example"]}, request)
    assert Validator().collect_violations(request) == []


def test_a_file_is_sent_and_answered_as_it_is() -> None:
    path = _document()["paths"]["/api/v1/documents/{documentId}/content"]
    [(sent_type, sent)] = path["put"]["requestBody"]["content"].items()
    [(answered_type, answered)] = path["get"]["responses"]["200"]["content"].items()
    assert sent_type == answered_type == "application/octet-stream"
    assert sent["schema"]["format"] == answered["schema"]["format"] == "binary"
    assert sent["schema"]["maxLength"] > 10 * 1024 * 1024


def test_examples_of_answers_fit_their_schemas() -> None:
    document = _document()
    for operation in _operations():
        for answer in operation["responses"].values():
            for content in answer["content"].values():
                if "example" in content:
                    schema = {**content["schema"], "components": document["components"]}
                    Draft202012Validator(schema).validate(content["example"])


def _schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = _document()["components"]["schemas"][name]
    return found


def _body(path: str, method: str) -> dict[str, Any]:
    found: dict[str, Any] = _document()["paths"][path][method]["requestBody"]["content"]["application/json"]
    return found


def test_every_operation_says_what_it_is_for() -> None:
    assert all(operation["summary"] for operation in _operations())


def test_a_field_carries_the_rules_of_its_contract() -> None:
    body = _document()["paths"]["/api/v1/auth/register"]["post"]["requestBody"]
    password = body["content"]["application/json"]["schema"]["properties"]["password"]
    assert (password["minLength"], password["maxLength"]) == (15, 128)


def test_path_fields_are_not_asked_for_again_in_the_body() -> None:
    publish = _document()["paths"]["/api/v1/internships/{internshipId}:publish"]["post"]
    assert [parameter["name"] for parameter in publish["parameters"]] == ["internshipId", "Idempotency-Key"]
    body = publish["requestBody"]["content"]["application/json"]["schema"]
    assert set(body["properties"]) == {"etag"}


def test_a_call_documents_the_errors_that_its_contract_declares() -> None:
    submit = next(rpc for rpc in edge_rpcs() if rpc.name == "SubmitApplication")
    names = {error.name for error in possible_errors(submit)}
    assert {"ALREADY_APPLIED", "TOKEN_MISSING", "EMAIL_NOT_VERIFIED", "IDEMPOTENCY_KEY_REUSED"} <= names


def test_a_stream_answers_server_sent_events() -> None:
    stream = _document()["paths"]["/api/v1/notifications:stream"]["get"]
    content = stream["responses"]["200"]["content"]
    assert list(content) == ["text/event-stream"]
    assert content["text/event-stream"]["schema"] == {"type": "string"}
    assert "ticket" in {parameter["name"] for parameter in stream["parameters"]}


def test_the_page_names_every_path() -> None:
    page = render_page(_document())
    assert all(path in page for path in _document()["paths"])


def test_the_committed_document_is_the_one_that_the_contracts_give() -> None:
    committed = json.loads((REPO / "openapi.json").read_text())
    assert committed == build_openapi(_DESCRIPTORS, with_older=False)

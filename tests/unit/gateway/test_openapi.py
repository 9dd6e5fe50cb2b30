"""The OpenAPI document follows the contracts."""

from functools import cache
from pathlib import Path
from typing import Any

from openapi_spec_validator import validate

import internshipconnect
from gateway.openapi.document import build, errors_of
from gateway.openapi.page import render_page
from gateway.surface import edge_rpcs

_DESCRIPTORS = Path(next(iter(internshipconnect.__path__))).with_name("internshipconnect.binpb")


@cache
def _document() -> dict[str, Any]:
    return build(_DESCRIPTORS)


def _operations() -> list[dict[str, Any]]:
    return [operation for item in _document()["paths"].values() for operation in item.values()]


def test_the_document_is_valid_openapi() -> None:
    validate(_document())


def test_every_binding_of_every_call_is_an_operation() -> None:
    names = {operation["operationId"] for operation in _operations()}
    for rpc in edge_rpcs():
        assert (rpc.name in names) == bool(rpc.http)
    assert len(_operations()) == sum(len(rpc.http) for rpc in edge_rpcs()) + 2


def test_older_paths_are_marked_as_such() -> None:
    paths = _document()["paths"]
    assert paths["/auth/login"]["post"]["deprecated"]
    assert "deprecated" not in paths["/api/v1/auth/login"]["post"]


def test_every_operation_says_what_it_is_for() -> None:
    assert all(operation["summary"] for operation in _operations())


def test_a_field_carries_the_rules_of_its_contract() -> None:
    body = _document()["paths"]["/api/v1/auth/register"]["post"]["requestBody"]
    password = body["content"]["application/json"]["schema"]["properties"]["password"]
    assert (password["minLength"], password["maxLength"]) == (10, 128)


def test_path_fields_are_not_asked_for_again_in_the_body() -> None:
    publish = _document()["paths"]["/api/v1/internships/{internshipId}:publish"]["post"]
    assert [parameter["name"] for parameter in publish["parameters"]] == ["internshipId", "Idempotency-Key"]
    body = publish["requestBody"]["content"]["application/json"]["schema"]
    assert set(body["properties"]) == {"etag"}


def test_a_call_documents_the_errors_that_its_contract_declares() -> None:
    submit = next(rpc for rpc in edge_rpcs() if rpc.name == "SubmitApplication")
    names = {error.name for error in errors_of(submit)}
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

"""Routes and script read `content-type` alike: what Envoy would transcode is checked as JSON, or refused."""

import json
import re
from typing import Final

import pytest

from chassis.contracts import imported_contracts
from gateway.envoy.content_types import grpc_content_type_matcher
from tests.unit.gateway.envoy.lua_script import EdgeScript

SCRIPT: Final = EdgeScript(imported_contracts())
LOGIN: Final = "/api/v1/auth/login"
LISTING: Final = "/api/v1/internships/int_1"
GRPC: Final = (
    "application/grpc",
    "application/grpc+proto",
    "application/grpc+json",
    "application/grpc+",
    "application/grpc-web",
    "application/grpc-web+proto",
    "application/grpc-web-text",
    "application/grpc-web-text+proto",
)
JSON: Final = (
    "",
    "application/json",
    "application/json; charset=utf-8",
    "application/json;charset=UTF-8",
    "APPLICATION/JSON",
    "application/json ;a=b",
    " application/json\t",
    "application/merge-patch+json",
)
OTHERS: Final = (
    "application/grpcx",
    "application/grpc;charset=utf-8",
    "application/grpc ; charset=utf-8",
    "application/grpc; a=+proto",
    "application/grpc,application/grpc",
    "application/grpc-web-json",
    "application/grpc-web+json",
    "application/grpc-web+proto;a=b",
    "application/grpc-web-text+proto, application/json",
    "application/grpc_proto",
    "Application/grpc",
    "APPLICATION/GRPC+PROTO",
    "application/grp",
    "application/connect+json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain",
    "text/json",
    "application/jsonx",
    "application/json, text/plain",
    "application/json,application/json",
    "; charset=utf-8",
    ",",
    "\xe9",
    "x" * 500,
)


@pytest.mark.parametrize("content_type", [*GRPC, *JSON, *OTHERS])
def test_script_and_routes_take_the_same_requests_for_grpc(content_type: str) -> None:
    regex = grpc_content_type_matcher()["string_match"]["safe_regex"]["regex"]
    is_grpc = re.fullmatch(regex, content_type) is not None
    assert (SCRIPT.is_grpc(content_type), is_grpc) == (content_type in GRPC, content_type in GRPC)


@pytest.mark.parametrize("content_type", [*JSON, *OTHERS])
def test_no_content_type_lets_a_request_past_a_check(content_type: str) -> None:
    for method, path, body in (
        ("POST", f"{LOGIN}?email=a@example.com&password=secret", "{}"),
        ("PATCH", f"{LISTING}?internshipId=int_2", '{"title":"a"}'),
        ("PATCH", LISTING, '{"colour":"blue"}'),
        ("PATCH", LISTING, "no JSON"),
        ("PUT", LISTING, "{}"),
        ("POST", "/api/v1/nowhere", "{}"),
    ):
        refused = SCRIPT.ask(method, path, body, content_type=content_type)
        assert refused is not None, (method, path, body)
        assert refused[0] in {"400", "404", "405", "415"}


@pytest.mark.parametrize("content_type", OTHERS)
def test_a_body_that_is_said_to_be_no_json_is_refused_in_words(content_type: str) -> None:
    refused = SCRIPT.ask("PATCH", LISTING, '{"title":"a"}', content_type=content_type)
    assert refused is not None
    status, text = refused
    answer = json.loads(text)
    assert (status, answer["details"][0]["reason"]) == ("415", "MALFORMED_REQUEST")
    assert "application/json" in answer["message"]
    assert len(text) < 1_000


@pytest.mark.parametrize("content_type", JSON)
def test_a_body_of_json_passes_under_each_name_of_json_and_without_one(content_type: str) -> None:
    assert SCRIPT.ask("PATCH", LISTING, '{"title":"a"}', content_type=content_type) is None


@pytest.mark.parametrize("content_type", OTHERS)
def test_the_type_of_a_body_that_is_not_there_does_not_matter(content_type: str) -> None:
    assert SCRIPT.ask("GET", LISTING, content_type=content_type) is None
    assert SCRIPT.ask("POST", f"{LISTING}:publish", content_type=content_type) is None


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/v1/internships"), ("GET", LISTING), ("DELETE", LISTING)]
)
def test_a_call_that_takes_no_body_gets_no_field_from_one(method: str, path: str) -> None:
    for body in ('{"internshipId":"int_2"}', '{"q":"x"}', "x", "[]", "[{}]"):
        for content_type in ("application/json", "text/plain", ""):
            refused = SCRIPT.ask(method, path, body, content_type=content_type)
            assert refused is not None
            assert (refused[0], "takes no body" in refused[1]) == ("400", True)
    assert SCRIPT.ask(method, path, " {} ", content_type="application/json") is None

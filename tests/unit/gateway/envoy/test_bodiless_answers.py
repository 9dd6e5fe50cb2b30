"""No answer to HEAD has a body, and an error of a request without one is said of its path."""

import json
from typing import Final

import pytest

from chassis.contracts import imported_contracts
from gateway.envoy.filters import MAX_HEADER_BYTES
from gateway.envoy.responses import REFUSED_REQUEST_HEADER
from tests.unit.gateway.envoy.lua_script import EdgeScript

SCRIPT: Final = EdgeScript(imported_contracts())
REFUSED: Final = REFUSED_REQUEST_HEADER.replace("-", "_")
STATUSES: Final = ("400", "401", "404", "405", "408", "413", "415", "426", "429", "431", "500", "503", "504")


@pytest.mark.parametrize("status", STATUSES)
def test_a_refusal_before_the_script_is_without_a_body_for_head_alone(status: str) -> None:
    for method, has_body in (("HEAD", False), ("GET", True), ("POST", True), ("-", True)):
        header = {REFUSED: f"{method} some_detail"}
        answered, text = SCRIPT.answer(status, "", None, **header)
        assert (answered, bool(text)) == (status, has_body), method


@pytest.mark.parametrize("status", STATUSES)
def test_a_refusal_after_the_script_is_without_a_body_for_head_alone(status: str) -> None:
    for is_head in (True, False):
        saved = {"path": "/api/v1/internships", "is_head": is_head}
        _, text = SCRIPT.answer(status, "as Envoy says it", saved, content_type="text/plain")
        assert bool(text) != is_head


def test_a_head_with_long_headers_is_known_as_one_when_it_is_refused() -> None:
    values = {":method": "HEAD", ":path": "/health", "x-long": "a" * MAX_HEADER_BYTES}
    status, _, saved = SCRIPT.raw_ask(values)
    assert (status, saved.is_head) == ("431", True)


def test_a_path_that_envoy_does_not_take_is_said_to_be_wrong() -> None:
    header = {REFUSED: "GET path_normalization_failed"}
    _, text = SCRIPT.answer("400", "", None, **header)
    message = json.loads(text)["message"]
    assert message.startswith("The path cannot be read: ")
    assert "`%2F`" in message


def test_a_request_without_a_body_is_not_blamed_for_one() -> None:
    saved = {"path": "/api/v1/internships/%ff?q=secret"}
    for is_blamed, state in ((False, saved), (True, {**saved, "has_body": True})):
        _, text = SCRIPT.answer("400", "bad", state, content_type="text/plain")
        message = json.loads(text)["message"]
        assert ("JSON" in message) == is_blamed
        assert ("path" in message) != is_blamed

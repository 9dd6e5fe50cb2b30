"""Requests made from the served API page, right and wrong ones, by a student, a company and nobody."""

import re
import typing
from itertools import product
from typing import Any, Final

import pytest
import requests
import schemathesis
from hypothesis import assume, given, seed
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, Config, GenerationMode
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from chassis.contracts import RpcSpec, error_reasons, imported_contracts
from chassis.errors import UNAVAILABLE_REASONS
from devstack.journey.client import Json
from tests.hostile.callers import ANONYMOUS, OWNER, STUDENT, CallerDirectory, LabelledCaller, error_reason
from tests.hostile.fuzz_profile import IS_LONG_RUN, MAX_TEST_S, fuzz_rounds, hypothesis_settings
from tests.hostile.raw_grpc import DEADLINE_MARGIN_S
from tests.stack import StackHandle

CALLERS: Final = (STUDENT, OWNER, ANONYMOUS)
MODES: Final = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
CANNOT_BE_SENT: Final = (
    requests.exceptions.InvalidHeader,
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    UnicodeError,
)
SPELLS_AN_ID: Final = re.compile(r"[a-z]{3}_[0-9A-Z]{26}")


@pytest.fixture(scope="module")
def operations(stack: StackHandle) -> list[Any]:
    """Return every operation of the document; in the short form without older paths."""
    document = requests.get(f"{stack.gateway_url}/openapi-all.json", timeout=10).json()
    config = Config.from_dict({"output": {"sanitization": {"enabled": False}}})
    schema = schemathesis.openapi.from_dict(strict(document), config=config)
    found = [typing.cast(Any, result).ok() for result in schema.get_all_operations()]
    return [one for one in found if IS_LONG_RUN or not one.definition.raw.get("deprecated")]


def strict(document: Json) -> Json:
    """Return the document without tokens, which the tests add themselves, and with no additional fields."""
    del document["components"]["securitySchemes"]
    for operation in (one for path in document["paths"].values() for one in path.values()):
        operation.pop("security", None)
    for name, schema in document["components"]["schemas"].items():
        if name not in ("Error", "ErrorDetail"):
            schema["additionalProperties"] = False
    return document


def rpc_of(operation: Any) -> RpcSpec | None:
    """Return the call behind an operation; None for the gateway's own."""
    name = re.sub(r"Old(er|est\d*)$", "", str(operation.definition.raw["operationId"]))
    return next((rpc for rpc in imported_contracts().rpcs if rpc.name == name), None)


@pytest.mark.timeout(MAX_TEST_S)
def test_whatever_is_sent_is_answered_as_the_page_says(
    stack: StackHandle, cast: CallerDirectory, operations: list[Any]
) -> None:
    works = [
        (operation, label, mode)
        for operation, label, mode in product(operations, CALLERS, MODES)
        # A caller who is not signed in is refused before most faults matter.
        if IS_LONG_RUN or (label, mode) != (ANONYMOUS, GenerationMode.NEGATIVE)
    ]
    for number, (operation, label, mode) in fuzz_rounds(works):
        caller = cast[label]
        if operation.label.endswith("/logout") and caller.token:
            caller = cast.in_another_session(caller)
        with requests.Session() as session:
            session.trust_env = False
            fuzz_operation(operation, mode, number, CaseSender(stack.gateway_url, caller, session))


def fuzz_operation(operation: Any, mode: GenerationMode, number: int, sender: "CaseSender") -> None:
    @seed(number)
    @hypothesis_settings(few=2, many=30)
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Case[Any]) -> None:
        sender.must_be_answered(case, rpc_of(operation))

    try:
        send()
    except Unsatisfiable:
        # Nothing wrong can be sent to a call that takes nothing.
        assert mode is GenerationMode.NEGATIVE


class CaseSender:
    """Sends cases as a caller, and checks the answers."""

    def __init__(self, url: str, caller: LabelledCaller, session: requests.Session) -> None:
        self._url = url
        self._caller = caller
        self._session = session

    def must_be_answered(self, case: Case[Any], rpc: RpcSpec | None) -> None:
        """Send the request, once more if the machine was busy.

        AssertionError with a curl line that repeats it.
        """
        answer = self._send(case, rpc)
        if reason_of(answer) in UNAVAILABLE_REASONS:
            answer = self._send(case, rpc)
        if fault := find_http_fault(answer, rpc):
            curl = case.as_curl_command(headers=self._caller.headers, base_url=self._url)
            raise AssertionError(f"as {self._caller.label}: {fault}\n{answer.text[:500]}\nrepeat it: {curl}")
        if went_to(case, answer) and not is_stream(answer):
            case.validate_response(
                answer,
                checks=[content_type_conformance, response_schema_conformance],
                headers=self._caller.headers,
            )

    def _send(self, case: Case[Any], rpc: RpcSpec | None) -> requests.Response:
        request = case.as_transport_kwargs(base_url=self._url, headers=self._caller.headers)
        deadline_s = rpc.policy.deadline_ms / 1000 if rpc else 1.0
        request |= {"timeout": deadline_s + 2 * DEADLINE_MARGIN_S, "stream": True, "allow_redirects": False}
        try:
            answer = self._session.request(**request)
        except CANNOT_BE_SENT:
            assume(False)
            raise
        if is_stream(answer):
            answer.close()
        else:
            assert answer.content is not None
        return answer


def is_stream(answer: requests.Response) -> bool:
    return answer.headers.get("content-type", "").startswith("text/event-stream")


def reason_of(answer: requests.Response) -> str:
    """Return the contract's reason of an error; "" for success and for errors of other servers."""
    try:
        body = answer.json() if answer.status_code >= 400 else {}
    except requests.exceptions.JSONDecodeError:
        return ""
    return (
        error_reason(body) if isinstance(body, dict) and set(body) == {"code", "message", "details"} else ""
    )


def find_http_fault(answer: requests.Response, rpc: RpcSpec | None) -> str:
    """Return the fault of an answer to any request, "" when it has none."""
    max_s = (rpc.policy.deadline_ms / 1000 if rpc else 1.0) + DEADLINE_MARGIN_S
    if answer.elapsed.total_seconds() > max_s:
        return f"answered after {answer.elapsed.total_seconds():.1f} s instead of {max_s:.1f} s"
    if answer.status_code >= 500:
        return f"answered {answer.status_code}"
    if answer.status_code < 400:
        return ""
    reason = error_reasons().get(reason_of(answer))
    if reason is None:
        return f"answered {answer.status_code} without a reason of the contract"
    if reason.http_status != answer.status_code and reason.name != "PAYLOAD_TOO_LARGE":
        return f"answered {reason.name} with {answer.status_code}"
    return "shows its insides" if "Traceback" in answer.text or 'File \\"/' in answer.text else ""


def went_to(case: Case[Any], answer: requests.Response) -> bool:
    """Return whether this is the operation's own answer: with odd values in it, a path may be another's."""
    return answer.status_code >= 400 or all(
        SPELLS_AN_ID.fullmatch(str(value)) for value in (case.path_parameters or {}).values()
    )

"""What no contract takes is refused at every path of every call, and leaves no secret in any log."""

import http.client
import re
import secrets
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from chassis.contracts import HttpBinding, RpcSpec
from chassis.ids import new_id
from gateway.surface import edge_rpcs
from tests.hostile.cast import NOBODY, Cast, reason_in
from tests.stack import Stack, await_true

BINDINGS: Final = [(rpc, binding) for rpc in edge_rpcs() for binding in rpc.http]
PREFIX_OF: Final = {"internship_id": "int", "application_id": "app", "company_id": "cmp"}
LOGGED_WITHIN_S: Final = 20.0


def _bindings(*, with_body: bool) -> Any:
    chosen = [each for each in BINDINGS if bool(each[1].body) == with_body]
    names = [f"{binding.method} {binding.path}" for _, binding in chosen]
    return pytest.mark.parametrize(("rpc", "binding"), chosen, ids=names)


every_write: Final = _bindings(with_body=True)
every_read: Final = _bindings(with_body=False)


def path_of(binding: HttpBinding) -> str:
    """With IDs of objects that there are not."""
    return re.sub(r"\{([^}]*)\}", lambda name: new_id(PREFIX_OF[name[1]]), binding.path)


def body_type(rpc: RpcSpec, binding: HttpBinding) -> Descriptor:
    request: Any = rpc.request.DESCRIPTOR
    found: Descriptor = request if binding.body == "*" else request.fields_by_name[binding.body].message_type
    return found


def is_own(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.file.package.startswith("internshipconnect")


def with_unknown_field(kind: Any, depth: int = 3) -> Iterator[tuple[str, dict[str, Any]]]:
    """Bodies that are right but for one field, at each place where an object may stand."""
    yield "colour", {"colour": "blue"}
    for field in kind.fields if depth else ():
        if is_own(field):
            for path, body in with_unknown_field(field.message_type, depth - 1):
                index = "[1]" if field.is_repeated else ""
                yield (
                    f"{field.json_name}{index}.{path}",
                    {field.json_name: [{}, body] if field.is_repeated else body},
                )


def violations_of(answer: httpx.Response) -> dict[str, str]:
    details = answer.json()["details"]
    return {
        each["field"]: each["description"] for detail in details for each in detail.get("fieldViolations", ())
    }


@every_write
def test_an_unknown_field_of_a_body_is_named_in_the_clients_spelling(
    cast: Cast, rpc: RpcSpec, binding: HttpBinding
) -> None:
    caller = cast.best_for(rpc)
    for path, body in with_unknown_field(body_type(rpc, binding)):
        answer = cast.ask(caller, binding.method, path_of(binding), json=body)
        assert (answer.status_code, reason_in(answer.json())) == (400, "INVALID_FIELD"), answer.text
        assert list(violations_of(answer)) == [path]


@every_write
def test_a_field_of_the_body_is_refused_in_the_query_and_not_written_down(
    cast: Cast, rpc: RpcSpec, binding: HttpBinding, secret: str
) -> None:
    caller = cast.best_for(rpc)
    for field in body_type(rpc, binding).fields:
        if is_own(field) or f"{{{field.name}}}" in binding.path:
            continue
        for name in {field.name, field.json_name}:
            answer = cast.ask(caller, binding.method, path_of(binding), json={}, params={name: secret})
            assert (answer.status_code, reason_in(answer.json())) == (400, "INVALID_FIELD"), answer.text
            assert "in the body" in violations_of(answer)[name]
            assert secret not in answer.text


@pytest.fixture(scope="module")
def secret(stack: Stack) -> Iterator[str]:
    """What is in no log of any process, once all of them have been written."""
    value, marker = f"hunter2-{secrets.token_hex(8)}", secrets.token_hex(16)
    yield value
    httpx.get(f"{stack.gateway_url}/marker-{marker}", trust_env=False, verify=stack.trust)
    envoy = stack.topology.logs / "envoy.log"
    await_true(lambda: f"/marker-{marker}" in envoy.read_text(), "Envoy's log", within_s=LOGGED_WITHIN_S)
    found = [
        log.name for log in stack.topology.logs.glob("*.log") if value in log.read_text(errors="replace")
    ]
    assert not found


@pytest.mark.parametrize(
    "name", ["password", "access_token", "token", "refreshToken", "authorization", "email"]
)
def test_a_credential_in_the_query_of_any_path_is_not_written_down(
    cast: Cast, name: str, secret: str
) -> None:
    referer = {"referer": f"https://example.com/?{name}={secret}", "cookie": f"{name}={secret}"}
    for path in ("/api/v1/internships", "/docs", "/health", "/nowhere", "/internships/x:y", "/auth/login"):
        for method in ("GET", "HEAD", "POST"):
            cast.ask(cast[NOBODY], method, path, params={name: secret}, headers=referer)


@pytest.mark.parametrize("rpc", edge_rpcs(), ids=lambda rpc: rpc.name)
def test_the_query_never_replaces_what_the_path_says(cast: Cast, rpc: RpcSpec) -> None:
    caller = cast.best_for(rpc)
    for binding in rpc.http:
        for name in re.findall(r"\{([^}]*)\}", binding.path):
            json_name = rpc.request.DESCRIPTOR.fields_by_name[name].json_name
            for spelling in {name, json_name, json_name.replace("I", "%49")}:
                path = f"{path_of(binding)}?{spelling}={new_id(PREFIX_OF[name])}"
                answer = cast.ask(caller, binding.method, path, json={} if binding.body else None)
                assert (answer.status_code, reason_in(answer.json())) == (400, "INVALID_FIELD"), answer.text
                assert "in the path" in next(iter(violations_of(answer).values()))


@every_write
def test_head_of_what_only_takes_writes_says_so_without_a_body(
    stack: Stack, rpc: RpcSpec, binding: HttpBinding
) -> None:
    with _Connection(stack) as connection:
        status, headers = connection.head(path_of(binding), {})
        is_read, allowed = status != 405, headers.get("allow") or ""
        assert is_read or binding.method in allowed.split(", ")
        assert connection.is_in_step()


@every_read
def test_head_is_answered_like_get_whoever_asks_and_without_a_body(
    stack: Stack, cast: Cast, rpc: RpcSpec, binding: HttpBinding
) -> None:
    path = path_of(binding)
    with _Connection(stack) as connection:
        for caller in (cast.best_for(rpc), cast[NOBODY]):
            for query in ("", "?colour=blue", "?pageSize=many", "?page_token=x"):
                status, headers = connection.head(path + query, caller.headers)
                assert connection.is_in_step(), (query, status)
                if rpc.server_streaming:
                    assert (status, headers["allow"]) == (405, "GET")
                    continue
                got = cast.ask(caller, "GET", path + query)
                assert status == got.status_code, (query, caller.label)
                assert headers["content-type"] == got.headers["content-type"]


class _Connection:
    """One connection, on which a body after HEAD would be taken for the beginning of the next answer."""

    def __init__(self, stack: Stack) -> None:
        address = stack.gateway_url.partition("//")[2]
        self._http: http.client.HTTPConnection = (
            http.client.HTTPSConnection(address, timeout=10, context=_context(stack))
            if stack.gateway_url.startswith("https")
            else http.client.HTTPConnection(address, timeout=10)
        )

    def __enter__(self) -> "_Connection":
        self._http.connect()
        self._socket = self._http.sock
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def head(self, path: str, headers: dict[str, str]) -> tuple[int, http.client.HTTPMessage]:
        self._http.request("HEAD", path, headers=headers)
        answer = self._http.getresponse()
        assert answer.read() == b""
        return answer.status, answer.headers

    def is_in_step(self) -> bool:
        """Whether the next answer on the same connection is the one that was asked for."""
        self._http.request("GET", "/health")
        answer = self._http.getresponse()
        body = answer.read()
        return (answer.status, body, self._http.sock is self._socket) == (200, b'{"status":"ok"}', True)


def _context(stack: Stack) -> Any:
    return stack.trust if stack.trust is not True else None

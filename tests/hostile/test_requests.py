"""What no contract takes is refused at every path of every call, and leaves no secret in any log."""

import re
import secrets
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from email import message_from_string
from email.message import Message
from typing import Any, Final, Self, TypeVar
from urllib.parse import urlsplit

import httpx
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from chassis.contracts import HttpBinding, RpcSpec
from chassis.ids import new_id
from gateway.api_surface import edge_rpcs
from gateway.pages.landing_pages import load_page_assets
from tests.hostile.callers import ANONYMOUS, CallerDirectory, LabelledCaller, error_reason
from tests.stack import StackHandle, wait_until_blocking

BINDINGS: Final = [(rpc, binding) for rpc in edge_rpcs() for binding in rpc.http if not rpc.http_body_field]
"""Of calls that take JSON, or no body: a file is not looked into here."""
PREFIX_OF: Final = {
    "internship_id": "int",
    "application_id": "app",
    "company_id": "cmp",
    "document_id": "doc",
    "user_id": "usr",
    "student_id": "usr",
    "session_id": "ses",
    "invitation_id": "inv",
    "passkey_id": "pky",
    "identity_id": "idn",
    "api_key_id": "key",
    "export_id": "exp",
}
LOG_TIMEOUT_S: Final = 20.0
QUERIES: Final = ("", "?colour=blue", "?pageSize=many", "?page_token=x")
BUSY_STATUSES: Final = frozenset({429, 503, 504})
MAX_FIELDS: Final = 4
"""Of each call here; `tests/unit/gateway/envoy/test_requests.py` tries all of them."""


Test = TypeVar("Test", bound=Callable[..., None])


def _bindings(*, with_body: bool) -> Callable[[Test], Test]:
    chosen = [each for each in BINDINGS if bool(each[1].body) == with_body]
    names = [f"{binding.method} {binding.path}" for _, binding in chosen]
    return pytest.mark.parametrize(("rpc", "binding"), chosen, ids=names)


every_write: Final = _bindings(with_body=True)
every_read: Final = _bindings(with_body=False)


def unknown_id(variable: str) -> str:
    """Return an ID that a path's variable takes and that no object has."""
    return "nowhere" if variable == "provider_id" else new_id(PREFIX_OF[variable])


def path_of(binding: HttpBinding) -> str:
    """Return the path with IDs of objects that do not exist."""
    return re.sub(r"\{([^}]*)\}", lambda name: unknown_id(name[1]), binding.path)


def body_type(rpc: RpcSpec, binding: HttpBinding) -> Descriptor:
    request: Any = rpc.request_type.DESCRIPTOR
    found: Descriptor = request if binding.body == "*" else request.fields_by_name[binding.body].message_type
    return found


def is_own(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.file.package.startswith("internshipconnect")


def with_unknown_field(kind: Any, depth: int = 3) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield valid bodies with one unknown field, at each place where an object may be."""
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
    cast: CallerDirectory, rpc: RpcSpec, binding: HttpBinding
) -> None:
    caller = cast.best_for(rpc)
    for path, body in with_unknown_field(body_type(rpc, binding)):
        answer = cast.ask(caller, binding.method, path_of(binding), json=body)
        assert (answer.status_code, error_reason(answer.json())) == (400, "INVALID_FIELD"), answer.text
        assert list(violations_of(answer)) == [path]


@every_write
def test_a_field_of_the_body_is_refused_in_the_query_and_not_written_down(
    cast: CallerDirectory, rpc: RpcSpec, binding: HttpBinding, secret: str
) -> None:
    caller = cast.best_for(rpc)
    fields = [field for field in body_type(rpc, binding).fields if not is_own(field)]
    for field in fields[:MAX_FIELDS]:
        for name in {field.name, field.json_name} - set(re.findall(r"\{([^}]*)\}", binding.path)):
            answer = cast.ask(caller, binding.method, path_of(binding), json={}, params={name: secret})
            assert (answer.status_code, error_reason(answer.json())) == (400, "INVALID_FIELD"), answer.text
            assert name in violations_of(answer)
            assert secret not in answer.text


@pytest.fixture(scope="module")
def secret(stack: StackHandle) -> Iterator[str]:
    """Yield a value that no process may log, and check it when all logs are written."""
    value, marker = f"hunter2-{secrets.token_hex(8)}", secrets.token_hex(16)
    yield value
    httpx.get(f"{stack.gateway_url}/marker-{marker}", trust_env=False, verify=stack.trust)
    envoy = stack.topology.logs_folder / "envoy.log"
    wait_until_blocking(
        lambda: f"/marker-{marker}" in envoy.read_text(), "Envoy's log", within_s=LOG_TIMEOUT_S
    )
    found = [
        log.name
        for log in stack.topology.logs_folder.glob("*.log")
        if value in log.read_text(errors="replace")
    ]
    assert not found


@pytest.mark.parametrize(
    "name", ["password", "access_token", "token", "refreshToken", "authorization", "email"]
)
def test_a_credential_in_the_query_of_any_path_is_not_written_down(
    cast: CallerDirectory, name: str, secret: str
) -> None:
    referer = {"referer": f"https://example.com/?{name}={secret}", "cookie": f"{name}={secret}"}
    for path in ("/api/v1/internships", "/docs", "/health", "/nowhere", "/internships/x:y", "/auth/login"):
        for method in ("GET", "HEAD", "POST"):
            cast.ask(cast[ANONYMOUS], method, path, params={name: secret}, headers=referer)


@pytest.mark.parametrize("rpc", edge_rpcs(), ids=lambda rpc: rpc.name)
def test_the_query_never_replaces_what_the_path_says(cast: CallerDirectory, rpc: RpcSpec) -> None:
    caller = cast.best_for(rpc)
    for binding in rpc.http:
        for name in re.findall(r"\{([^}]*)\}", binding.path):
            json_name = rpc.request_type.DESCRIPTOR.fields_by_name[name].json_name
            for spelling in {name, json_name, json_name.replace("I", "%49")}:
                path = f"{path_of(binding)}?{spelling}={unknown_id(name)}"
                answer = cast.ask(caller, binding.method, path, json={} if binding.body else None)
                assert (answer.status_code, error_reason(answer.json())) == (400, "INVALID_FIELD"), (
                    answer.text
                )
                assert "in the path" in next(iter(violations_of(answer).values()))


@every_write
def test_head_of_what_only_takes_writes_says_so_without_a_body(
    stack: StackHandle, rpc: RpcSpec, binding: HttpBinding
) -> None:
    with _Connection(stack) as connection:
        status, headers = connection.ask("HEAD", path_of(binding), {})
        assert status != 405 or binding.method in headers["allow"].split(", ")
        assert connection.is_in_step(headers)


@every_read
def test_head_is_answered_like_get_for_every_caller_and_without_a_body(
    stack: StackHandle, cast: CallerDirectory, rpc: RpcSpec, binding: HttpBinding
) -> None:
    known, nobody = cast.best_for(rpc), cast[ANONYMOUS]
    for caller, query in ((nobody, ""), *((known, query) for query in QUERIES)):
        path = path_of(binding) + query
        status, headers = _retry_while_busy(
            lambda path=path, caller=caller: _head(stack, path, caller.headers)  # type: ignore[misc]
        )
        if rpc.server_streaming:
            assert status == 405 and "GET" in headers["allow"].split(", ")
            continue
        got, others = _retry_while_busy(lambda path=path, caller=caller: _get(cast, caller, path))  # type: ignore[misc]
        assert (status, headers["content-type"]) == (got, others["content-type"]), path


LONG: Final = {"x-long": "a" * 16_500}
ASSET: Final = load_page_assets()[0].path
HEADS: Final = (
    *((path, {}, 200) for path in ("/health", "/docs", "/openapi.json", "/openapi-all.json")),
    *((path, {}, 200) for path in ("/app/login", "/app/verify-email", "/app/internships/x", ASSET)),
    *((path, LONG, 431) for path in ("/health", "/docs", "/app/login", "/api/v1/internships", "/nowhere")),
    *(
        (path, {}, 400)
        for path in ("/api%2Fv1", "/app%2Flogin", "/%5C", "/..%2f", "/api/v1/internships?colour=1")
    ),
    *((path, {}, 404) for path in ("/nowhere", "/app/nowhere", "/docs/x", "/health/x")),
    *((path, {}, 405) for path in ("/api/v1/auth/login", "/auth/login", "/api/v1/internships/x:publish")),
    *((path, {"content-type": "application/grpcx"}, 405) for path in ("/api/v1/auth/login",)),
    *((path, {"authorization": "Basic x"}, 401) for path in ("/api/v1/users/me", "/api/v1/internships")),
)


@pytest.mark.parametrize(("path", "headers", "status"), HEADS)
def test_head_has_no_body_at_any_path_and_with_any_status(
    stack: StackHandle, path: str, headers: Mapping[str, str], status: int
) -> None:
    with _Connection(stack) as connection:
        found, answered = connection.ask("HEAD", path, headers)
        assert found == status
        assert connection.is_in_step(answered)


Answer = tuple[int, Mapping[str, str]]


def _retry_while_busy(ask: Callable[[], Answer]) -> Answer:
    """Return the answer, asked for again for up to a minute and a half while the machine is busy.

    A limiter that is too slow to answer lets each caller through a few times in a minute.
    """
    ends_at = time.monotonic() + 90.0
    while (answer := ask())[0] in BUSY_STATUSES and time.monotonic() < ends_at:
        time.sleep(1.0)
    return answer


def _head(stack: StackHandle, path: str, headers: Mapping[str, str]) -> Answer:
    with _Connection(stack) as connection:
        status, found = connection.ask("HEAD", path, headers)
        assert connection.is_in_step(found)
        return status, dict(found.items())


def _get(cast: CallerDirectory, caller: LabelledCaller, path: str) -> Answer:
    answer = cast.ask(caller, "GET", path)
    return answer.status_code, answer.headers


class _Connection:
    """One connection, on which a body after HEAD would be taken for the beginning of the next answer."""

    def __init__(self, stack: StackHandle) -> None:
        url = urlsplit(stack.gateway_url)
        self._host = url.netloc
        plain = socket.create_connection((url.hostname, url.port), timeout=10)
        self._socket = (
            stack.trust.wrap_socket(plain, server_hostname=url.hostname)
            if isinstance(stack.trust, ssl.SSLContext)
            else plain
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, method: str, path: str, headers: Mapping[str, str]) -> tuple[int, Message]:
        """Return the head of an answer; what comes after it stays unread."""
        lines = [
            f"{method} {path} HTTP/1.1",
            *(f"{k}: {v}" for k, v in {"host": self._host, **headers}.items()),
        ]
        self._socket.sendall("\r\n".join((*lines, "", "")).encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self._socket.recv(1)
            assert byte, f"ends within {head!r}"
            head += byte
        first, _, rest = head.decode().partition("\r\n")
        assert first.startswith("HTTP/1.1 "), first
        return int(first.split(" ")[1]), message_from_string(rest)

    def is_in_step(self, headers: Message) -> bool:
        """Return whether only the connection's end, or the next answer, follows an answer to HEAD."""
        if headers["connection"] == "close":
            # Envoy waits for a second for the other side to close first.
            self._socket.shutdown(socket.SHUT_WR)
            return self._socket.recv(1) == b""
        status, found = self.ask("GET", "/health", {})
        body = self._socket.recv(int(found["content-length"]), socket.MSG_WAITALL)
        return (status, body) == (200, b'{"status":"ok"}')

"""Too many headers, too much in them, bodies without end or many times larger than they look."""

import asyncio
import gzip
import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import grpc
import pytest

from devstack.topology_parts import LOOPBACK
from tests.hostile.callers import STUDENT, CallerDirectory, error_reason
from tests.hostile.process_health import MEGABYTE, ProcessSnapshot, assert_processes_survived
from tests.hostile.raw_grpc import RawGrpcChannel, find_response_fault
from tests.hostile.slow_clients import LOGIN_PATH, http2_headers, send_rapid_resets
from tests.resilience.background_load import steady_load
from tests.stack import StackHandle
from tests.waiting import BUSY_MACHINE_MARGIN_S, WAIT_TIMEOUT_S

ANSWER_TIMEOUT_S: Final = WAIT_TIMEOUT_S
BOMB_BYTES: Final = 100 * MEGABYTE
RESETS: Final = 2_000
NESTING_DEPTH: Final = 100_000
CHUNK: Final = b"10000\r\n" + b" " * 65_536 + b"\r\n"
ENDLESS_BYTES: Final = 64 * MEGABYTE
MAX_GOOD_LATENCY_S: Final = BUSY_MACHINE_MARGIN_S
UPDATE_ME: Final = "/internshipconnect.user.v1.UserService/UpdateMe"


@pytest.fixture(autouse=True)
def _others_are_served(stack: StackHandle, cast: CallerDirectory) -> Iterator[None]:
    """Run a good client beside each of these tests; every call of it is answered."""
    request = {"method": "GET", "url": "/api/v1/users/me", "headers": cast[STUDENT].headers}
    with steady_load(stack, stack.topology.regions[0], lambda _: request, per_second=10) as load:
        yield
        load.await_more(3)
    assert not load.failures and load.slowest_s < MAX_GOOD_LATENCY_S, str(load)


def port_of(stack: StackHandle) -> int:
    return int(stack.gateway_url.rpartition(":")[2])


@contextmanager
def connected(stack: StackHandle) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(LOOPBACK, port_of(stack), timeout=ANSWER_TIMEOUT_S)
    try:
        yield connection
    finally:
        connection.close()


def refusal(stack: StackHandle, method: str, path: str, body: bytes | None, **head: str) -> tuple[int, str]:
    """Return status and reason of a refused request."""
    with connected(stack) as connection:
        connection.request(
            method, path, body, {name.replace("_", "-"): value for name, value in head.items()}
        )
        answer = connection.getresponse()
        return answer.status, error_reason(json.loads(answer.read()))


def test_a_thousand_headers_are_too_many(stack: StackHandle) -> None:
    many = {f"x-{number}": "1" for number in range(1_000)}
    assert refusal(stack, "GET", "/api/v1/internships", None, **many) == (431, "PAYLOAD_TOO_LARGE")


def test_a_header_of_a_megabyte_is_too_large(stack: StackHandle) -> None:
    large = "a" * MEGABYTE
    assert refusal(stack, "GET", "/api/v1/internships", None, x_large=large) == (431, "PAYLOAD_TOO_LARGE")


def test_a_path_of_a_megabyte_is_too_large(stack: StackHandle) -> None:
    path = f"/api/v1/internships?q={'a' * MEGABYTE}"
    assert refusal(stack, "GET", path, None) == (431, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize("encoding", ["gzip", "br"])
def test_a_body_that_would_unfold_is_not_unfolded(stack: StackHandle, encoding: str) -> None:
    before = ProcessSnapshot.of(stack)
    bomb = gzip.compress(b'{"email":"' + b"a" * BOMB_BYTES)
    head = {"content_type": "application/json", "content_encoding": encoding}
    assert refusal(stack, "POST", LOGIN_PATH, bomb, **head) == (400, "MALFORMED_REQUEST")
    assert_processes_survived(stack, before, may_grow_bytes=BOMB_BYTES // 2)


@pytest.mark.parametrize("at", ["user", "gateway"])
def test_a_message_that_would_unfold_is_not_unfolded(
    stack: StackHandle, cast: CallerDirectory, lines: dict[str, RawGrpcChannel], at: str
) -> None:
    before = ProcessSnapshot.of(stack)
    bomb = b"\x0a" + b"\x80\x80\x80\x32" + bytes(BOMB_BYTES)
    answer = lines[at].call(UPDATE_ME, bomb, cast[STUDENT].token, compression=grpc.Compression.Gzip)
    assert answer.code is not grpc.StatusCode.OK
    assert not find_response_fault(answer, UPDATE_ME, bomb)
    assert_processes_survived(stack, before, may_grow_bytes=BOMB_BYTES // 2)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("[" * NESTING_DEPTH, id="lists"),
        pytest.param('{"a":' * NESTING_DEPTH, id="objects"),
        pytest.param("[" * NESTING_DEPTH + "]" * NESTING_DEPTH, id="whole lists"),
        pytest.param('{"student":' * NESTING_DEPTH + "1" + "}" * NESTING_DEPTH, id="whole objects"),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("PATCH", "/api/v1/users/me"), ("POST", LOGIN_PATH)])
def test_json_of_any_depth_is_refused(
    stack: StackHandle, cast: CallerDirectory, method: str, path: str, body: str
) -> None:
    head = {"content_type": "application/json", **cast[STUDENT].headers}
    status, reason = refusal(stack, method, path, body.encode()[:1_000_000], **head)
    assert status == 400
    assert reason in {"MALFORMED_REQUEST", "INVALID_FIELD"}


def test_a_body_without_end_is_cut_off(stack: StackHandle) -> None:
    sent = 0
    with socket.create_connection((LOOPBACK, port_of(stack)), timeout=ANSWER_TIMEOUT_S) as client:
        head = f"POST {LOGIN_PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        client.sendall(head.encode() + b"transfer-encoding: chunked\r\n\r\n")
        try:
            while sent < ENDLESS_BYTES:
                client.sendall(CHUNK)
                sent += len(CHUNK)
        except OSError:
            pass
        answered = _read_response(client)
    assert sent < ENDLESS_BYTES, "all of it was taken"
    assert b"PAYLOAD_TOO_LARGE" in answered or not answered


def _read_response(client: socket.socket) -> bytes:
    try:
        return client.recv(65_536)
    except OSError:
        return b""


def test_requests_that_are_taken_back_at_once_cost_others_nothing(
    stack: StackHandle, cast: CallerDirectory
) -> None:
    request = http2_headers("/api/v1/users/me", "GET", **cast[STUDENT].headers)
    sent = asyncio.run(send_rapid_resets(LOOPBACK, port_of(stack), RESETS, request))
    assert sent < RESETS, "the gateway puts up with any number of requests that are taken back"


@pytest.mark.parametrize("service", ["user", "auth", "internship"])
def test_a_service_stands_calls_that_are_taken_back_at_once(
    stack: StackHandle, cast: CallerDirectory, service: str
) -> None:
    port = int(stack.grpc_address(service).rpartition(":")[2])
    call: dict[str, Any] = {"te": "trailers", **cast[STUDENT].headers}
    request = [*http2_headers(UPDATE_ME, **call)]
    request[4] = ("content-type", "application/grpc")
    asyncio.run(send_rapid_resets(LOOPBACK, port, RESETS, request))
    assert stack.readiness(f"{service}-serve").ready

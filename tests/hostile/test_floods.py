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

from ops.stack.topology import LOOPBACK
from tests.hostile.cast import STUDENT, Cast, reason_in
from tests.hostile.guard import MEGABYTE, Snapshot, must_have_stood
from tests.hostile.siege import PATH, headers, rapid_reset
from tests.hostile.wire import Line, fault_of
from tests.resilience.load import steady_load
from tests.stack import Stack
from tests.waiting import BUSY_S, GENEROUS_S

ANSWERED_WITHIN_S: Final = GENEROUS_S
BOMB_BYTES: Final = 100 * MEGABYTE
RESETS: Final = 2_000
DEEP: Final = 100_000
CHUNK: Final = b"10000\r\n" + b" " * 65_536 + b"\r\n"
ENDLESS_BYTES: Final = 64 * MEGABYTE
SLOWEST_GOOD_S: Final = BUSY_S
UPDATE_ME: Final = "/internshipconnect.user.v1.UserService/UpdateMe"


@pytest.fixture(autouse=True)
def _others_are_served(stack: Stack, cast: Cast) -> Iterator[None]:
    """A good client beside each of these tests, whose every call is answered."""
    request = {"method": "GET", "url": "/api/v1/users/me", "headers": cast[STUDENT].headers}
    with steady_load(stack, stack.topology.regions[0], lambda _: request, per_second=10) as load:
        yield
        load.await_more(3)
    assert not load.failures and load.slowest_s < SLOWEST_GOOD_S, str(load)


def port_of(stack: Stack) -> int:
    return int(stack.gateway_url.rpartition(":")[2])


@contextmanager
def connected(stack: Stack) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(LOOPBACK, port_of(stack), timeout=ANSWERED_WITHIN_S)
    try:
        yield connection
    finally:
        connection.close()


def refusal(stack: Stack, method: str, path: str, body: bytes | None, **head: str) -> tuple[int, str]:
    """Status and reason of a request that is refused."""
    with connected(stack) as connection:
        connection.request(
            method, path, body, {name.replace("_", "-"): value for name, value in head.items()}
        )
        answer = connection.getresponse()
        return answer.status, reason_in(json.loads(answer.read()))


def test_a_thousand_headers_are_too_many(stack: Stack) -> None:
    many = {f"x-{number}": "1" for number in range(1_000)}
    assert refusal(stack, "GET", "/api/v1/internships", None, **many) == (431, "PAYLOAD_TOO_LARGE")


def test_a_header_of_a_megabyte_is_too_large(stack: Stack) -> None:
    large = "a" * MEGABYTE
    assert refusal(stack, "GET", "/api/v1/internships", None, x_large=large) == (431, "PAYLOAD_TOO_LARGE")


def test_a_path_of_a_megabyte_is_too_large(stack: Stack) -> None:
    path = f"/api/v1/internships?q={'a' * MEGABYTE}"
    assert refusal(stack, "GET", path, None) == (431, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize("encoding", ["gzip", "br"])
def test_a_body_that_would_unfold_is_not_unfolded(stack: Stack, encoding: str) -> None:
    before = Snapshot.of(stack)
    bomb = gzip.compress(b'{"email":"' + b"a" * BOMB_BYTES)
    head = {"content_type": "application/json", "content_encoding": encoding}
    assert refusal(stack, "POST", PATH, bomb, **head) == (400, "MALFORMED_REQUEST")
    must_have_stood(stack, before, may_grow_bytes=BOMB_BYTES // 2)


@pytest.mark.parametrize("at", ["user", "gateway"])
def test_a_message_that_would_unfold_is_not_unfolded(
    stack: Stack, cast: Cast, lines: dict[str, Line], at: str
) -> None:
    before = Snapshot.of(stack)
    bomb = b"\x0a" + b"\x80\x80\x80\x32" + bytes(BOMB_BYTES)
    answer = lines[at].call(UPDATE_ME, bomb, cast[STUDENT].token, compression=grpc.Compression.Gzip)
    assert answer.code is not grpc.StatusCode.OK
    assert not fault_of(answer, UPDATE_ME, bomb)
    must_have_stood(stack, before, may_grow_bytes=BOMB_BYTES // 2)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("[" * DEEP, id="lists"),
        pytest.param('{"a":' * DEEP, id="objects"),
        pytest.param("[" * DEEP + "]" * DEEP, id="whole lists"),
        pytest.param('{"student":' * DEEP + "1" + "}" * DEEP, id="whole objects"),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("PATCH", "/api/v1/users/me"), ("POST", PATH)])
def test_json_of_any_depth_is_refused(stack: Stack, cast: Cast, method: str, path: str, body: str) -> None:
    head = {"content_type": "application/json", **cast[STUDENT].headers}
    status, reason = refusal(stack, method, path, body.encode()[:1_000_000], **head)
    assert status == 400
    assert reason in {"MALFORMED_REQUEST", "INVALID_FIELD"}


def test_a_body_without_end_is_cut_off(stack: Stack) -> None:
    sent = 0
    with socket.create_connection((LOOPBACK, port_of(stack)), timeout=ANSWERED_WITHIN_S) as client:
        head = f"POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        client.sendall(head.encode() + b"transfer-encoding: chunked\r\n\r\n")
        try:
            while sent < ENDLESS_BYTES:
                client.sendall(CHUNK)
                sent += len(CHUNK)
        except OSError:
            pass
        answered = _heard(client)
    assert sent < ENDLESS_BYTES, "all of it was taken"
    assert b"PAYLOAD_TOO_LARGE" in answered or not answered


def _heard(client: socket.socket) -> bytes:
    try:
        return client.recv(65_536)
    except OSError:
        return b""


def test_requests_that_are_taken_back_at_once_cost_others_nothing(stack: Stack, cast: Cast) -> None:
    request = headers("/api/v1/users/me", "GET", **cast[STUDENT].headers)
    sent = asyncio.run(rapid_reset(LOOPBACK, port_of(stack), RESETS, request))
    assert sent < RESETS, "the gateway puts up with any number of requests that are taken back"


@pytest.mark.parametrize("service", ["user", "auth", "internship"])
def test_a_service_stands_calls_that_are_taken_back_at_once(stack: Stack, cast: Cast, service: str) -> None:
    port = int(stack.grpc_address(service).rpartition(":")[2])
    call: dict[str, Any] = {"te": "trailers", **cast[STUDENT].headers}
    request = [*headers(UPDATE_ME, **call)]
    request[4] = ("content-type", "application/grpc")
    asyncio.run(rapid_reset(LOOPBACK, port, RESETS, request))
    assert stack.readiness(f"{service}-serve").ready

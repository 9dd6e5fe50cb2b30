"""Bytes that are nearly, hardly or not at all what a call takes, at the gateway and straight at services."""

from typing import Final

import pytest
from hypothesis import given, seed

from chassis.contracts import RpcSpec, imported
from tests.hostile.cast import NOBODY, Cast
from tests.hostile.messages import BLOBS, SHAPES, requests_of
from tests.hostile.pace import LONGEST_TEST_S, examples, rounds
from tests.hostile.wire import Line, must_be_decent

GATEWAY: Final = "gateway"


def service_of(rpc: RpcSpec) -> str:
    """The service that answers a call."""
    return rpc.service.split(".")[1]


@pytest.mark.timeout(LONGEST_TEST_S)
def test_whatever_bytes_are_sent_are_answered_with_a_reason(cast: Cast, lines: dict[str, Line]) -> None:
    works = [(rpc, name) for rpc in imported().rpcs for name in (service_of(rpc), GATEWAY)]
    for number, (rpc, name) in rounds(works):
        fuzz(rpc, lines[name], cast.best_for(rpc).token, number)


def fuzz(rpc: RpcSpec, line: Line, token: str, number: int) -> None:
    @seed(number)
    @examples(few=6 if rpc.server_streaming else 8, many=100)
    @given(request=requests_of(rpc))
    def send(request: bytes) -> None:
        must_be_decent(line, rpc.path, request, token)

    send()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_request_that_nobody_needs_is_answered_in_time(
    cast: Cast, lines: dict[str, Line], shape: str
) -> None:
    requests = [(rpc, SHAPES[shape](rpc)) for rpc in imported().rpcs]
    assert any(request for _, request in requests)
    for rpc, request in requests:
        if request:
            must_be_decent(lines[service_of(rpc)], rpc.path, request, cast.best_for(rpc).token)


@pytest.mark.parametrize("shape", BLOBS)
def test_so_is_one_that_is_no_request_of_anybodys(cast: Cast, lines: dict[str, Line], shape: str) -> None:
    for rpc in {rpc.service: rpc for rpc in imported().rpcs if not rpc.server_streaming}.values():
        must_be_decent(lines[service_of(rpc)], rpc.path, BLOBS[shape](rpc), cast.best_for(rpc).token)


@pytest.mark.parametrize("shape", [*SHAPES, *BLOBS])
def test_so_is_either_at_the_gateway(cast: Cast, lines: dict[str, Line], shape: str) -> None:
    for rpc in [one for one in imported().rpcs if one.name in {"UpdateMe", "Login", "CreateInternship"}]:
        request = {**SHAPES, **BLOBS}[shape](rpc)
        must_be_decent(lines[GATEWAY], rpc.path, request, cast.best_for(rpc).token)


def test_a_call_that_there_is_not_has_a_reason_too(cast: Cast, lines: dict[str, Line]) -> None:
    for line in lines.values():
        for path in (
            "/internshipconnect.user.v1.UserService/DropAll",
            "/x",
            "/a/b/c",
            "/grpc.health.v1.Health/X",
        ):
            answer = must_be_decent(line, path, b"", cast[NOBODY].token)
            assert answer.reason in {"UNKNOWN_METHOD", "UNKNOWN_PATH"}, answer

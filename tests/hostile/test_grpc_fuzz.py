"""Bytes that are nearly, hardly or not at all what a call takes, at the gateway and straight at services."""

from typing import Final

import pytest
from hypothesis import given, seed

from chassis.contracts import RpcSpec, imported_contracts
from tests.hostile.callers import ANONYMOUS, CallerDirectory
from tests.hostile.fuzz_profile import MAX_TEST_S, fuzz_rounds, hypothesis_settings
from tests.hostile.messages import BLOBS, SHAPES, requests_of
from tests.hostile.raw_grpc import RawGrpcChannel, assert_proper_response

GATEWAY: Final = "gateway"


def service_of(rpc: RpcSpec) -> str:
    """Return the service that answers a call."""
    return rpc.service.split(".")[1]


@pytest.mark.timeout(MAX_TEST_S)
def test_whatever_bytes_are_sent_are_answered_with_a_reason(
    cast: CallerDirectory, lines: dict[str, RawGrpcChannel]
) -> None:
    works = [(rpc, name) for rpc in imported_contracts().rpcs for name in (service_of(rpc), GATEWAY)]
    for number, (rpc, name) in fuzz_rounds(works):
        fuzz_rpc(rpc, lines[name], cast.best_for(rpc).token, number)


def fuzz_rpc(rpc: RpcSpec, line: RawGrpcChannel, token: str, number: int) -> None:
    @seed(number)
    @hypothesis_settings(few=6 if rpc.server_streaming else 8, many=100)
    @given(request=requests_of(rpc))
    def send(request: bytes) -> None:
        assert_proper_response(line, rpc.path, request, token)

    send()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_request_that_nobody_needs_is_answered_in_time(
    cast: CallerDirectory, lines: dict[str, RawGrpcChannel], shape: str
) -> None:
    requests = [(rpc, SHAPES[shape](rpc)) for rpc in imported_contracts().rpcs]
    assert any(request for _, request in requests)
    for rpc, request in requests:
        if request:
            assert_proper_response(lines[service_of(rpc)], rpc.path, request, cast.best_for(rpc).token)


@pytest.mark.parametrize("shape", BLOBS)
def test_so_is_one_that_is_no_request_of_anybodys(
    cast: CallerDirectory, lines: dict[str, RawGrpcChannel], shape: str
) -> None:
    for rpc in {rpc.service: rpc for rpc in imported_contracts().rpcs if not rpc.server_streaming}.values():
        assert_proper_response(lines[service_of(rpc)], rpc.path, BLOBS[shape](rpc), cast.best_for(rpc).token)


@pytest.mark.parametrize("shape", [*SHAPES, *BLOBS])
def test_so_is_either_at_the_gateway(
    cast: CallerDirectory, lines: dict[str, RawGrpcChannel], shape: str
) -> None:
    for rpc in [
        one for one in imported_contracts().rpcs if one.name in {"UpdateMe", "Login", "CreateInternship"}
    ]:
        request = {**SHAPES, **BLOBS}[shape](rpc)
        assert_proper_response(lines[GATEWAY], rpc.path, request, cast.best_for(rpc).token)


def test_a_call_that_there_is_not_has_a_reason_too(
    cast: CallerDirectory, lines: dict[str, RawGrpcChannel]
) -> None:
    for line in lines.values():
        for path in (
            "/internshipconnect.user.v1.UserService/DropAll",
            "/x",
            "/a/b/c",
            "/grpc.health.v1.Health/X",
        ):
            answer = assert_proper_response(line, path, b"", cast[ANONYMOUS].token)
            assert answer.reason in {"UNKNOWN_METHOD", "UNKNOWN_PATH"}, answer

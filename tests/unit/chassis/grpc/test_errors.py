import asyncio
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, ResourceInfo, RetryInfo

from chassis.caller import Call
from chassis.errors import (
    DomainError,
    Move,
    Violation,
    illegal_transition,
    invalid,
    not_found,
    overloaded,
    permission_denied,
    stale_etag,
    unavailable,
)
from chassis.grpc.interceptors.errors import Errors
from chassis.grpc.status import error_of
from internshipconnect.errors.v1.moves_pb2 import AllowedMoves
from tests.fakes.calls import answering, raising, rpc, send
from tests.fakes.grpc_context import FakeContext

LOGIN = rpc("auth", "Login")


async def refused(error: BaseException, call: Call | None = None) -> FakeContext:
    context = FakeContext()
    with pytest.raises(grpc.aio.AbortError):
        await send(Errors(), LOGIN, raising(error), call=call or Call("req-1"), context=context)
    return context


def detail(context: FakeContext, kind: Any) -> Any:
    for packed in context.status.details:
        if packed.Is(kind.DESCRIPTOR):
            found = kind()
            packed.Unpack(found)
            return found
    return None


async def test_an_answer_passes_as_it_is() -> None:
    assert await send(Errors(), LOGIN, answering(b"fine")) == b"fine"


async def test_an_error_says_its_reason_its_domain_and_the_request_it_belongs_to() -> None:
    context = await refused(permission_denied("Not yours."))
    info = detail(context, ErrorInfo)
    assert context.code is grpc.StatusCode.PERMISSION_DENIED
    assert (info.reason, info.domain) == ("PERMISSION_DENIED", "internshipconnect")
    assert context.status.message == "Not yours."
    assert detail(context, RequestInfo).request_id == "req-1"


async def test_bad_input_names_each_field() -> None:
    context = await refused(
        invalid(Violation("title", "is too long"), Violation("skills[2].name", "is empty"))
    )
    assert context.code is grpc.StatusCode.INVALID_ARGUMENT
    shown = [(each.field, each.description) for each in detail(context, BadRequest).field_violations]
    assert shown == [("title", "is too long"), ("skills[2].name", "is empty")]


async def test_what_is_missing_is_named() -> None:
    context = await refused(not_found("INTERNSHIP_NOT_FOUND", "internship", "int_1"))
    resource = detail(context, ResourceInfo)
    assert (resource.resource_type, resource.resource_name) == ("internship", "int_1")


async def test_a_retryable_error_says_when_to_try_again() -> None:
    context = await refused(unavailable("The store", retry_after_s=2.5))
    assert detail(context, RetryInfo).retry_delay.ToMilliseconds() == 2500


async def test_a_retryable_error_without_a_time_of_its_own_says_a_second() -> None:
    context = await refused(DomainError("RATE_LIMITED", "Slower."))
    assert detail(context, RetryInfo).retry_delay.ToMilliseconds() == 1000


async def test_an_error_that_no_retry_helps_does_not_suggest_one() -> None:
    assert detail(await refused(stale_etag("internship", "int_1")), RetryInfo) is None


async def test_an_illegal_move_lists_the_allowed_ones() -> None:
    moves = [Move("PAUSED", "PauseInternship"), Move("CLOSED", "CloseInternship")]
    context = await refused(illegal_transition("No.", "OPEN", "DRAFT", moves))
    assert context.code is grpc.StatusCode.FAILED_PRECONDITION
    assert dict(detail(context, ErrorInfo).metadata) == {"state": "OPEN", "target": "DRAFT"}
    assert detail(context, AllowedMoves).state == "OPEN"
    assert [(move.target, move.call, move.http) for move in detail(context, AllowedMoves).moves] == [
        ("PAUSED", "PauseInternship", "POST /api/v1/internships/{internshipId}:pause"),
        ("CLOSED", "CloseInternship", "POST /api/v1/internships/{internshipId}:close"),
    ]


async def test_an_unexpected_error_is_internal_and_leaks_nothing() -> None:
    context = await refused(KeyError("password of mongo"))
    assert context.code is grpc.StatusCode.INTERNAL
    assert detail(context, ErrorInfo).reason == "INTERNAL"
    assert b"mongo" not in context.status.SerializeToString()


async def test_an_unexpected_error_is_logged_with_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    await refused(KeyError("where it broke"))
    logged = capsys.readouterr().out
    assert "where it broke" in logged
    assert "req-1" in logged


async def test_a_reason_that_the_contract_does_not_know_is_our_fault() -> None:
    context = await refused(DomainError("INVENTED", "Whatever."))
    assert context.code is grpc.StatusCode.INTERNAL


async def test_a_call_that_its_client_gave_up_is_no_error_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    call = Call()
    with pytest.raises(asyncio.CancelledError):
        await send(Errors(), LOGIN, raising(asyncio.CancelledError()), call=call)
    assert call.outcome == "CANCELLED"
    assert capsys.readouterr().out == ""


async def test_the_outcome_is_noted_for_log_and_metrics() -> None:
    call = Call()
    await refused(overloaded("The hasher"), call)
    assert call.outcome == "RESOURCE_EXHAUSTED"


async def test_a_status_stays_small_enough_for_its_trailers() -> None:
    many = [Violation("f" * 500, "d" * 5000) for _ in range(500)]
    context = await refused(invalid(*many))
    assert len(context.status.SerializeToString()) < 6000


async def test_a_status_reads_back_as_the_error_that_it_was() -> None:
    original = DomainError(
        "OPERATION_IN_PROGRESS",
        "Wait.",
        violations=[Violation("a", "b")],
        resource=("kind", "name"),
        metadata={"key": "value"},
        retry_after_s=3.0,
    )
    context = await refused(original)
    read = error_of(context.status.SerializeToString())
    assert read is not None
    assert vars(read) == vars(original)


@pytest.mark.parametrize("details", [b"", b"\xff", b"\x08\x05"])
def test_details_that_are_not_ours_read_as_nothing(details: bytes) -> None:
    assert error_of(details) is None

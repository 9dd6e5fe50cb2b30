import asyncio
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, ResourceInfo, RetryInfo

from chassis.call_context import CallContext
from chassis.errors import (
    AllowedTransition,
    DomainError,
    Violation,
    illegal_transition,
    invalid_argument,
    not_found,
    overloaded,
    permission_denied,
    stale_etag,
    unavailable,
)
from chassis.grpc.error_status import status_to_error
from chassis.grpc.interceptors.errors import ErrorInterceptor
from internshipconnect.errors.v1.moves_pb2 import AllowedMoves
from tests.fakes.grpc_context import FakeGrpcContext
from tests.fakes.interceptor_calls import fail_with, respond_with, rpc, send_call

LOGIN = rpc("auth", "Login")


async def refused(error: BaseException, call: CallContext | None = None) -> FakeGrpcContext:
    context = FakeGrpcContext()
    with pytest.raises(grpc.aio.AbortError):
        await send_call(
            ErrorInterceptor(), LOGIN, fail_with(error), call=call or CallContext("req-1"), context=context
        )
    return context


def detail(context: FakeGrpcContext, kind: Any) -> Any:
    for packed in context.status.details:
        if packed.Is(kind.DESCRIPTOR):
            found = kind()
            packed.Unpack(found)
            return found
    return None


async def test_an_answer_passes_as_it_is() -> None:
    assert await send_call(ErrorInterceptor(), LOGIN, respond_with(b"fine")) == b"fine"


async def test_an_error_says_its_reason_its_domain_and_the_request_it_belongs_to() -> None:
    context = await refused(permission_denied("Not yours."))
    info = detail(context, ErrorInfo)
    assert context.code is grpc.StatusCode.PERMISSION_DENIED
    assert (info.reason, info.domain) == ("PERMISSION_DENIED", "internshipconnect")
    assert context.status.message == "Not yours."
    assert detail(context, RequestInfo).request_id == "req-1"


async def test_bad_input_names_each_field() -> None:
    context = await refused(
        invalid_argument(Violation("title", "is too long"), Violation("skills[2].name", "is empty"))
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
    moves = [AllowedTransition("PAUSED", "PauseInternship"), AllowedTransition("CLOSED", "CloseInternship")]
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
    call = CallContext()
    with pytest.raises(asyncio.CancelledError):
        await send_call(ErrorInterceptor(), LOGIN, fail_with(asyncio.CancelledError()), call=call)
    assert call.outcome == "CANCELLED"
    assert capsys.readouterr().out == ""


async def test_the_outcome_is_noted_for_log_and_metrics() -> None:
    call = CallContext()
    await refused(overloaded("The hasher"), call)
    assert call.outcome == "RESOURCE_EXHAUSTED"


async def test_a_status_stays_small_enough_for_its_trailers() -> None:
    many = [Violation("f" * 500, "d" * 5000) for _ in range(500)]
    context = await refused(invalid_argument(*many))
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
    read = status_to_error(context.status.SerializeToString())
    assert read is not None
    assert vars(read) == vars(original)


@pytest.mark.parametrize("details", [b"", b"\xff", b"\x08\x05"])
def test_details_that_are_not_ours_read_as_nothing(details: bytes) -> None:
    assert status_to_error(details) is None

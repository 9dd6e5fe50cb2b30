"""The server as its clients see it, over a real connection."""

import asyncio
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from chassis.call_context import current_operation, current_principal_or_none, remaining_s, request_id
from chassis.contracts import ContractError
from chassis.errors import not_found
from chassis.grpc.engine.engines import EngineName
from chassis.grpc.server import build_grpc_server, cast_serialized
from chassis.observability.tracing import current_trace_id
from internshipconnect.auth.v1.auth_pb2_grpc import AuthServiceServicer
from internshipconnect.internship.v1 import internship_pb2 as pb
from internshipconnect.internship.v1.internship_pb2_grpc import InternshipServiceStub
from internshipconnect.notification.v1.notification_pb2 import StreamNotificationsRequest
from internshipconnect.notification.v1.notification_pb2_grpc import NotificationServiceStub
from tests.fakes.tokens import access_token
from tests.integration.chassis.grpc.grpc_harness import (
    INTERNSHIP_ID,
    GrpcHarness,
    running_grpc_harness,
    signed_in,
    status_in,
)
from tests.waiting import WAIT_TIMEOUT_S

GET = pb.GetInternshipRequest(internship_id=INTERNSHIP_ID)
CREATE = pb.CreateInternshipRequest(internship=pb.Internship(title="Data intern"))
SERVICE = "/internshipconnect.internship.v1.InternshipService"
COMPANY = access_token("usr_01JD0000000000000000000000", "COMPANY", role="OWNER")


async def refusal(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    info = ErrorInfo()
    status_in(caught.value).details[0].Unpack(info)
    return caught.value.code(), info.reason


async def test_a_call_reaches_the_service_and_its_answer_comes_back(house: GrpcHarness) -> None:
    answer = await InternshipServiceStub(house.channel).GetInternship(GET)
    assert answer.id == INTERNSHIP_ID


async def test_an_answer_that_is_serialized_already_goes_out_as_it_is(house: GrpcHarness) -> None:
    raw = pb.Internship(title="From the cache").SerializeToString()

    async def cached(_request: Any) -> pb.Internship:
        return cast_serialized(pb.Internship, raw)

    house.listings.behaviour = cached
    assert (await InternshipServiceStub(house.channel).GetInternship(GET)).title == "From the cache"


async def test_the_service_knows_who_calls_how_long_and_in_which_trace(house: GrpcHarness) -> None:
    known: dict[str, Any] = {}

    async def look(_request: Any) -> pb.Internship:
        known.update(
            who=current_principal_or_none(),
            left=remaining_s(),
            request=request_id(),
            trace=current_trace_id(),
        )
        return pb.Internship()

    house.listings.behaviour = look
    trace = "c" * 32
    metadata = signed_in(COMPANY, x_request_id="req-7", traceparent=f"00-{trace}-{'d' * 16}-01")
    await InternshipServiceStub(house.channel).GetInternship(GET, metadata=metadata, timeout=0.5)
    assert (known["who"].kind, known["who"].role) == ("COMPANY", "OWNER")
    # gRPC counts in whole milliseconds on its way.
    assert 0 < known["left"] <= 0.505
    assert (known["request"], known["trace"]) == ("req-7", trace)


async def test_an_error_arrives_with_its_details(house: GrpcHarness) -> None:
    async def missing(_request: Any) -> pb.Internship:
        raise not_found("INTERNSHIP_NOT_FOUND", "internship", INTERNSHIP_ID)

    house.listings.behaviour = missing
    call = InternshipServiceStub(house.channel).GetInternship(GET, metadata=(("x-request-id", "req-8"),))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    request = RequestInfo()
    status = status_in(caught.value)
    status.details[-1].Unpack(request)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert status.code == grpc.StatusCode.NOT_FOUND.value[0]
    assert request.request_id == "req-8"


async def test_a_status_as_full_as_it_can_be_still_arrives(house: GrpcHarness) -> None:
    titles = [pb.SkillNeed(name="x" * 61) for _ in range(40)]
    call = InternshipServiceStub(house.channel).CreateInternship(
        pb.CreateInternshipRequest(internship=pb.Internship(skills=titles)), metadata=signed_in(COMPANY)
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    bad = BadRequest()
    status_in(caught.value).details[1].Unpack(bad)
    assert bad.field_violations[0].field == "internship.skills[0].name"


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("forged", "TOKEN_INVALID"),
        (access_token("usr_1", exp=1), "TOKEN_EXPIRED"),
        (access_token("usr_1", aud="elsewhere"), "TOKEN_INVALID"),
    ],
)
async def test_a_bad_token_is_refused_even_on_a_public_call(
    house: GrpcHarness, token: str, expected: str
) -> None:
    call = InternshipServiceStub(house.channel).GetInternship(GET, metadata=signed_in(token))
    assert await refusal(call) == (grpc.StatusCode.UNAUTHENTICATED, expected)


async def test_who_may_not_call_learns_nothing_about_the_request(house: GrpcHarness) -> None:
    call = InternshipServiceStub(house.channel).CreateInternship(pb.CreateInternshipRequest())
    assert await refusal(call) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_MISSING")
    student = signed_in(access_token("usr_1"))
    call = InternshipServiceStub(house.channel).CreateInternship(
        pb.CreateInternshipRequest(), metadata=student
    )
    assert await refusal(call) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED")
    assert house.listings.requests == []


@pytest.mark.parametrize(
    ("path", "body", "code", "reason"),
    [
        (f"{SERVICE}/GetInternship", b"\xff\xff", grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST"),
        (f"{SERVICE}/GetInternship", b"\0" * 2**21, grpc.StatusCode.INVALID_ARGUMENT, "PAYLOAD_TOO_LARGE"),
        (f"{SERVICE}/Invented", b"", grpc.StatusCode.UNIMPLEMENTED, "UNKNOWN_METHOD"),
        ("/invented.v1.Service/Call", b"", grpc.StatusCode.UNIMPLEMENTED, "UNKNOWN_METHOD"),
    ],
    ids=["unreadable", "too large", "unknown method", "unknown service"],
)
async def test_a_request_that_is_none_of_ours_gets_a_readable_reason(
    house: GrpcHarness, path: str, body: bytes, code: grpc.StatusCode, reason: str
) -> None:
    raw: Any = house.channel.unary_unary(path)
    assert await refusal(raw(body)) == (code, reason)


async def test_a_call_beyond_its_deadline_is_stopped(house: GrpcHarness) -> None:
    stopped = asyncio.Event()

    async def endless(_request: Any) -> pb.Internship:
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()
        return pb.Internship()

    house.listings.behaviour = endless
    call = InternshipServiceStub(house.channel).GetInternship(GET)
    assert await refusal(call) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
    assert stopped.is_set()


async def test_work_for_a_client_that_has_gone_is_stopped(house: GrpcHarness) -> None:
    started, stopped = asyncio.Event(), asyncio.Event()

    async def endless(_request: Any) -> pb.Internship:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()
        return pb.Internship()

    house.listings.behaviour = endless
    call = InternshipServiceStub(house.channel).GetInternship(GET)
    await asyncio.wait_for(started.wait(), WAIT_TIMEOUT_S)
    call.cancel()
    await asyncio.wait_for(stopped.wait(), WAIT_TIMEOUT_S)


async def test_a_second_submit_with_the_same_key_returns_the_first_answer(house: GrpcHarness) -> None:
    operations: list[str] = []

    async def create(_request: Any) -> pb.Internship:
        current = current_operation()
        assert current is not None
        operations.append(current.id)
        return pb.Internship(title=f"number {len(operations)}")

    house.listings.behaviour = create
    stub = InternshipServiceStub(house.channel)
    metadata = signed_in(COMPANY, idempotency_key="key-1")
    first = await stub.CreateInternship(CREATE, metadata=metadata)
    second = await stub.CreateInternship(CREATE, metadata=metadata)
    assert first == second
    assert len(operations) == 1
    other = pb.CreateInternshipRequest(internship=pb.Internship(title="Another"))
    assert await refusal(stub.CreateInternship(other, metadata=metadata)) == (
        grpc.StatusCode.ALREADY_EXISTS,
        "IDEMPOTENCY_KEY_REUSED",
    )


async def test_a_stream_lives_until_its_client_leaves(house: GrpcHarness) -> None:
    metadata = signed_in(access_token("usr_1"))
    stub: Any = NotificationServiceStub(house.channel)
    call = stub.StreamNotifications(StreamNotificationsRequest(), metadata=metadata)
    received = [(await call.read()).id for _ in range(3)]
    assert received == ["0", "1", "2"]
    call.cancel()
    await asyncio.wait_for(house.inbox.closed.wait(), WAIT_TIMEOUT_S)


async def test_calls_beyond_what_the_process_carries_are_refused_at_once(engine_name: EngineName) -> None:
    async with running_grpc_harness(engine_name, max_in_flight=2) as house:
        leave = asyncio.Event()

        async def stay(_request: Any) -> pb.Internship:
            await leave.wait()
            return pb.Internship()

        house.listings.behaviour = stay
        stub = InternshipServiceStub(house.channel)
        inside = [asyncio.ensure_future(stub.GetInternship(GET)) for _ in range(2)]
        while len(house.listings.requests) < 2:
            await asyncio.sleep(0.01)
        assert await refusal(stub.GetInternship(GET)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
        leave.set()
        await asyncio.gather(*inside)


async def test_stopping_says_so_to_health_checks_and_lets_calls_in_flight_finish(house: GrpcHarness) -> None:
    started = asyncio.Event()

    async def slow(_request: Any) -> pb.Internship:
        started.set()
        await asyncio.sleep(0.3)
        return pb.Internship(title="finished")

    house.listings.behaviour = slow
    health: Any = health_pb2_grpc.HealthStub(house.channel)
    watch = health.Watch(health_pb2.HealthCheckRequest())
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    inside = asyncio.ensure_future(InternshipServiceStub(house.channel).GetInternship(GET))
    await started.wait()
    stopping = asyncio.create_task(house.server.stop(5))
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
    watch.cancel()
    assert (await inside).title == "finished"
    await stopping


async def test_every_service_is_listed_by_reflection_and_known_to_health(house: GrpcHarness) -> None:
    channel: Any = house.channel
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
    listed = {each.name for each in (await call.read()).list_services_response.service}
    assert {"internshipconnect.internship.v1.InternshipService", "grpc.health.v1.Health"} <= listed
    health: Any = health_pb2_grpc.HealthStub(channel)
    service = health_pb2.HealthCheckRequest(service="internshipconnect.internship.v1.InternshipService")
    assert (await health.Check(service)).status == health_pb2.HealthCheckResponse.SERVING


async def test_a_port_that_is_taken_is_an_error(house: GrpcHarness) -> None:
    with pytest.raises(OSError, match="cannot listen"):
        build_grpc_server([], ()).listen(house.address)


def test_a_servicer_that_leaves_calls_unanswered_does_not_start() -> None:
    class Half(AuthServiceServicer):
        async def Login(self, request: Any, context: Any) -> Any: ...

    with pytest.raises(ContractError, match="does not answer"):
        build_grpc_server([Half()], ())  # type: ignore[abstract]


def test_what_is_no_servicer_does_not_start() -> None:
    with pytest.raises(ContractError, match="not a subclass of a generated servicer"):
        build_grpc_server([object()], ())

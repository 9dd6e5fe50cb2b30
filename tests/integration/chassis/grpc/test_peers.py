"""Calls from service to service, over a real connection."""

import asyncio
import time
from typing import Any

import grpc
import pytest

from chassis.call_context import CallContext, bind_call, current_principal
from chassis.errors import (
    UNAVAILABLE_REASONS,
    DomainError,
    Violation,
    invalid_argument,
    not_found,
    overloaded,
    unavailable,
)
from chassis.grpc.client import (
    DEFAULT_CLIENT_POLICY,
    ClientPolicy,
    PeerRetryBudget,
    Peers,
)
from chassis.grpc.hedging import DEFAULT_HEDGING_POLICY
from chassis.observability.tracing import continue_trace, current_trace_id
from internshipconnect.internship.v1 import internship_pb2 as pb
from internshipconnect.internship.v1.internship_pb2_grpc import InternshipServiceStub
from tests.integration.chassis.grpc.grpc_harness import INTERNSHIP_ID, GrpcHarness, running_grpc_harness
from tests.waiting import WAIT_TIMEOUT_S, wait_until

GET = pb.GetInternshipRequest(internship_id=INTERNSHIP_ID)
CREATE = pb.CreateInternshipRequest(internship=pb.Internship(title="Data intern"))
APPLICATION_ID = "app_01JD0000000000000000000000"
TAKE = pb.TakeOpeningRequest(internship_id=INTERNSHIP_ID, application_id=APPLICATION_ID)


class UnacceptedIdentity:
    """An identity that no service accepts."""

    def token(self) -> str:
        return "forged"


async def _taken(stub: Any) -> int:
    try:
        return int((await stub.TakeOpening(TAKE)).hires)
    except DomainError as error:
        # The circuit to a peer that was too busy may be open, too.
        assert error.reason in UNAVAILABLE_REASONS
        return 0


async def failure(call: Any) -> DomainError:
    with pytest.raises(DomainError) as caught:
        await call
    return caught.value


def stub_of(peers: Peers) -> Any:
    return InternshipServiceStub(peers.channel("internship"))


async def test_a_peer_sees_the_service_that_calls_and_its_trace(house: GrpcHarness) -> None:
    async def look(_request: Any) -> pb.TakeOpeningResponse:
        assert (current_principal().kind, current_principal().id) == ("SERVICE", "application")
        assert current_trace_id() == "e" * 32
        return pb.TakeOpeningResponse(hires=1)

    house.listings.behaviour = look
    with continue_trace(f"00-{'e' * 32}-{'f' * 16}-01", "test"):
        assert (await stub_of(house.peers).TakeOpening(TAKE)).hires == 1


async def test_an_error_of_the_peer_comes_back_as_the_error_that_it_raised(house: GrpcHarness) -> None:
    async def refuse(_request: Any) -> pb.Internship:
        raise not_found("INTERNSHIP_NOT_FOUND", "internship", INTERNSHIP_ID)

    house.listings.behaviour = refuse
    error = await failure(stub_of(house.peers).GetInternship(GET))
    assert (error.reason, error.resource) == ("INTERNSHIP_NOT_FOUND", ("internship", INTERNSHIP_ID))


async def test_violations_come_back_too(house: GrpcHarness) -> None:
    async def refuse(_request: Any) -> pb.Internship:
        raise invalid_argument(Violation("title", "is taken"))

    house.listings.behaviour = refuse
    assert (await failure(stub_of(house.peers).GetInternship(GET))).violations == (
        Violation("title", "is taken"),
    )


async def test_a_call_that_may_be_repeated_is_repeated_when_the_peer_is_unavailable(
    house: GrpcHarness,
) -> None:
    async def at_the_third(_request: Any) -> pb.Internship:
        if len(house.listings.requests) < DEFAULT_CLIENT_POLICY.max_attempts:
            raise unavailable("The store")
        return pb.Internship(title="at last")

    house.listings.behaviour = at_the_third
    assert (await stub_of(house.peers).GetInternship(GET)).title == "at last"


async def test_it_is_not_repeated_for_ever(house: GrpcHarness) -> None:
    async def never(_request: Any) -> pb.Internship:
        raise unavailable("The store")

    house.listings.behaviour = never
    assert (await failure(stub_of(house.peers).GetInternship(GET))).reason == "UNAVAILABLE"
    assert len(house.listings.requests) == DEFAULT_CLIENT_POLICY.max_attempts


async def test_a_call_that_a_busy_peer_refused_is_repeated_once(house: GrpcHarness) -> None:
    async def at_the_second(_request: Any) -> pb.Internship:
        if len(house.listings.requests) < DEFAULT_CLIENT_POLICY.max_attempts_when_overloaded:
            raise overloaded("This service")
        return pb.Internship(title="at last")

    async def never(_request: Any) -> pb.Internship:
        raise overloaded("This service")

    house.listings.behaviour = at_the_second
    assert (await stub_of(house.peers).GetInternship(GET)).title == "at last"
    house.listings.behaviour = never
    house.listings.requests.clear()
    assert (await failure(stub_of(house.peers).GetInternship(GET))).reason == "OVERLOADED"
    assert len(house.listings.requests) == DEFAULT_CLIENT_POLICY.max_attempts_when_overloaded


async def test_a_refusal_is_not_repeated(house: GrpcHarness) -> None:
    async def refuse(_request: Any) -> pb.Internship:
        raise not_found("INTERNSHIP_NOT_FOUND", "internship", INTERNSHIP_ID)

    house.listings.behaviour = refuse
    await failure(stub_of(house.peers).GetInternship(GET))
    assert len(house.listings.requests) == 1


async def test_the_time_that_is_left_to_the_caller_is_the_time_that_the_peer_gets(house: GrpcHarness) -> None:
    async def endless(_request: Any) -> pb.Internship:
        await asyncio.sleep(600)
        return pb.Internship()

    async def call_with_little_time() -> DomainError:
        bind_call(CallContext(deadline=time.monotonic() + 0.15))
        return await failure(stub_of(house.peers).GetInternship(GET))

    house.listings.behaviour = endless
    began = time.monotonic()
    error = await asyncio.create_task(call_with_little_time())
    assert error.reason in ("UNAVAILABLE", "DEADLINE_EXCEEDED")
    assert time.monotonic() - began < WAIT_TIMEOUT_S


async def test_without_time_left_the_peer_is_not_asked(house: GrpcHarness) -> None:
    async def call_too_late() -> DomainError:
        bind_call(CallContext(deadline=time.monotonic() - 1))
        return await failure(stub_of(house.peers).GetInternship(GET))

    assert (await asyncio.create_task(call_too_late())).reason == "DEADLINE_EXCEEDED"
    assert house.listings.requests == []


async def test_a_peer_that_is_not_there_is_unavailable_and_soon_left_alone(house: GrpcHarness) -> None:
    await house.server.stop(0)
    stub = stub_of(house.peers)
    for _ in range(4):
        assert (await failure(stub.GetInternship(GET))).reason == "UNAVAILABLE"
    error = await failure(stub.GetInternship(GET))
    assert error.retry_after_s is not None
    assert 3 < error.retry_after_s <= 4


async def test_a_peer_that_is_back_is_asked_again_as_soon_as_it_is_connected(house: GrpcHarness) -> None:
    await house.server.stop(0)
    stub = stub_of(house.peers)
    for _ in range(4):
        await failure(stub.GetInternship(GET))
    async with running_grpc_harness(listen=house.address):
        deadline = time.monotonic() + WAIT_TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                assert (await stub.GetInternship(GET)).id == INTERNSHIP_ID
                return
            except DomainError:
                await asyncio.sleep(0.05)
    pytest.fail("the peer was left alone although it is back")


async def test_a_read_that_is_late_is_asked_once_more_and_others_are_not(house: GrpcHarness) -> None:
    answered = 0

    async def stuck_once(_request: Any) -> Any:
        nonlocal answered
        answered += 1
        if answered == DEFAULT_HEDGING_POLICY.min_samples + 1:
            await asyncio.sleep(600)
        return pb.Internship(title=f"answer {answered}")

    house.listings.behaviour = stuck_once
    stub = stub_of(house.peers)
    for _ in range(DEFAULT_HEDGING_POLICY.min_samples):
        await stub.GetInternship(GET)
    began = time.monotonic()
    assert (await stub.GetInternship(GET)).title == f"answer {DEFAULT_HEDGING_POLICY.min_samples + 2}"
    assert time.monotonic() - began < WAIT_TIMEOUT_S

    async def late(_request: Any) -> pb.TakeOpeningResponse:
        await asyncio.sleep(0.2)
        return pb.TakeOpeningResponse(hires=1)

    house.listings.behaviour = late
    house.listings.requests.clear()
    for _ in range(2):
        await stub.TakeOpening(TAKE)
    assert len(house.listings.requests) == 2


async def test_a_peer_that_hangs_holds_a_bounded_number_of_calls(
    house: GrpcHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go = asyncio.Event()

    async def hang(_request: Any) -> pb.TakeOpeningResponse:
        await let_go.wait()
        return pb.TakeOpeningResponse(hires=1)

    house.listings.behaviour = hang
    stub = stub_of(house.peers)
    held = [
        asyncio.ensure_future(stub.TakeOpening(TAKE))
        for _ in range(DEFAULT_CLIENT_POLICY.max_concurrent_calls)
    ]
    await asyncio.sleep(0)
    with monkeypatch.context() as patch:
        patch.setattr(
            PeerRetryBudget, "try_withdraw", lambda _: pytest.fail("a bound of our own is asked once")
        )
        assert (await failure(stub.TakeOpening(TAKE))).reason == "OVERLOADED"
        assert (await failure(stub.GetInternship(GET))).reason == "OVERLOADED"
    let_go.set()
    # On a busy machine the peer itself refuses calls that had to wait for it, or does not end them in time.
    ended = await asyncio.gather(*held, return_exceptions=True)
    assert {each.hires for each in ended if not isinstance(each, BaseException)} <= {1}
    refused = {each.reason for each in ended if isinstance(each, DomainError)}
    assert refused <= UNAVAILABLE_REASONS
    assert await wait_until(lambda: _taken(stub), "a call after the others") == 1


async def test_a_peer_that_does_not_accept_us_is_a_fault_of_ours(house: GrpcHarness) -> None:
    peers = Peers({"internship": house.address}, UnacceptedIdentity())
    with pytest.raises(Exception, match="TOKEN_INVALID") as caught:
        await stub_of(peers).GetInternship(GET)
    assert not isinstance(caught.value, DomainError | grpc.RpcError)
    await peers.close()


def test_a_service_without_an_address_is_an_error(house: GrpcHarness) -> None:
    with pytest.raises(KeyError):
        house.peers.channel("invented")


def test_retries_stop_when_their_budget_is_spent_and_successes_earn_it_back() -> None:
    budget = PeerRetryBudget(ClientPolicy(max_saved_retries=2))
    assert [budget.try_withdraw() for _ in range(3)] == [True, True, False]
    for _ in range(10):
        budget.deposit()
    assert budget.try_withdraw()

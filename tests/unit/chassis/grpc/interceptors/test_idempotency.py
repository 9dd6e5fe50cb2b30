import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.message import Message

from chassis.call_context import CallContext, Principal, current_operation
from chassis.clock import FixedClock
from chassis.contracts import RpcSpec
from chassis.errors import DomainError, domain_error, unavailable
from chassis.grpc.handlers import RpcContext, RpcHandler
from chassis.grpc.interceptors.idempotency import IdempotencyInterceptor
from chassis.idempotency import IdempotencyClaim, IdempotentOperation, StoredAnswer
from chassis.sharding.idempotency_store import answered_claim_row
from internshipconnect.application.v1.application_pb2 import (
    MoveApplicationRequest,
    SubmitApplicationRequest,
)
from tests.fakes.claims import InMemoryClaims
from tests.fakes.interceptor_calls import respond_with, rpc, send_call

SUBMIT = rpc("application", "SubmitApplication")
MOVE = rpc("application", "MoveApplication")
START = datetime(2027, 1, 1, tzinfo=UTC)


class CountingHandler:
    """Counts its runs and remembers under which operation each was done; fails as long as it has errors."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.operations: list[IdempotentOperation | None] = []

    async def __call__(self, _request: Any, _context: RpcContext) -> bytes:
        self.operations.append(current_operation())
        if self.errors:
            raise self.errors.pop(0)
        return f"run {len(self.operations)}".encode()


class ForgetfulClaims(InMemoryClaims):
    """Goes down while the work is done."""

    async def store_answer(self, claim: IdempotencyClaim, answer: bytes) -> None:
        raise unavailable("The store")


class IdempotencyHarness:
    """A clock, the claims and the interceptor before them."""

    def __init__(self) -> None:
        self.clock = FixedClock(START)
        self.claims = InMemoryClaims(self.clock)
        self.interceptor = IdempotencyInterceptor(self.claims)

    async def move(
        self, work: RpcHandler, key: str | None = "k1", note: str = "Good", caller: str = "usr_1"
    ) -> bytes:
        return await self._send(MOVE, work, key, MoveApplicationRequest(note=note), caller)

    async def submit(self, work: RpcHandler, letter: str = "Dear all") -> bytes:
        """Make a call whose change stores the answer."""
        return await self._send(SUBMIT, work, "k1", SubmitApplicationRequest(cover_letter=letter), "usr_1")

    async def _send(
        self, spec: RpcSpec, work: RpcHandler, key: str | None, request: Message, caller: str
    ) -> bytes:
        call = CallContext(
            principal=Principal(id=caller, kind="STUDENT"),
            metadata={} if key is None else {"idempotency-key": key},
        )
        return await send_call(self.interceptor, spec, work, call=call, request=request)

    async def refusal(self, work: RpcHandler, **request: Any) -> DomainError:
        with pytest.raises(DomainError) as caught:
            await self.move(work, **request)
        return caught.value


@pytest.fixture
def house() -> IdempotencyHarness:
    return IdempotencyHarness()


async def test_the_same_key_and_request_get_the_first_answer_again(house: IdempotencyHarness) -> None:
    work = CountingHandler()
    assert await house.move(work) == await house.move(work) == b"run 1"
    assert len(work.operations) == 1


async def test_the_same_key_with_another_request_is_a_conflict(house: IdempotencyHarness) -> None:
    await house.move(CountingHandler())
    assert (await house.refusal(CountingHandler(), note="Better")).reason == "IDEMPOTENCY_KEY_REUSED"


async def test_without_a_key_each_request_is_done(house: IdempotencyHarness) -> None:
    work = CountingHandler()
    assert [await house.move(work, key=None) for _ in range(2)] == [b"run 1", b"run 2"]
    assert work.operations == [None, None]


async def test_two_people_may_use_the_same_key(house: IdempotencyHarness) -> None:
    work = CountingHandler()
    await house.move(work)
    assert await house.move(work, caller="usr_2") == b"run 2"


async def test_a_repeat_during_the_first_run_gets_a_retry_time(house: IdempotencyHarness) -> None:
    leave = asyncio.Event()

    async def slow(_request: Any, _context: RpcContext) -> bytes:
        await leave.wait()
        return b"done"

    first = asyncio.create_task(house.move(slow))
    await asyncio.sleep(0)
    error = await house.refusal(CountingHandler())
    assert error.reason == "OPERATION_IN_PROGRESS"
    assert error.retry_after_s is not None and 0 < error.retry_after_s <= MOVE.policy.deadline_ms / 1000
    leave.set()
    assert await first == b"done"


async def test_a_run_that_was_cut_off_is_run_again_as_the_same_operation(house: IdempotencyHarness) -> None:
    work = CountingHandler(asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await house.move(work)
    house.clock.advance(timedelta(milliseconds=MOVE.policy.deadline_ms))
    assert await house.move(work) == b"run 2"
    first, second = work.operations
    assert first is not None
    assert second == IdempotentOperation(first.id, START, is_replay=True)


async def test_a_refused_request_may_be_put_right_under_the_same_key(house: IdempotencyHarness) -> None:
    work = CountingHandler(domain_error("INTERNSHIP_NOT_OPEN", "Not open."))
    assert (await house.refusal(work)).reason == "INTERNSHIP_NOT_OPEN"
    assert await house.move(work, note="Better") == b"run 2"
    assert work.operations[1] is not None and not work.operations[1].is_replay


@pytest.mark.parametrize("error", [unavailable("The store"), KeyError("bug")], ids=["unavailable", "bug"])
async def test_after_a_failure_of_unknown_outcome_the_same_operation_is_repeated_at_once(
    house: IdempotencyHarness, error: Exception
) -> None:
    work = CountingHandler(error)
    with pytest.raises(type(error)):
        await house.move(work)
    assert await house.move(work) == b"run 2"
    first, second = work.operations
    assert first is not None and second is not None
    assert (second.id, second.is_replay) == (first.id, True)


async def test_the_answer_is_given_even_when_it_cannot_be_kept(house: IdempotencyHarness) -> None:
    house.interceptor = IdempotencyInterceptor(ForgetfulClaims(house.clock))
    assert await house.move(CountingHandler()) == b"run 1"


@pytest.mark.parametrize("key", ["", "x" * 129, "with space", "tab\t", "ümlaut"])
async def test_a_key_is_1_to_128_visible_characters(house: IdempotencyHarness, key: str) -> None:
    error = await house.refusal(CountingHandler(), key=key)
    assert (error.reason, error.violations[0].field) == ("INVALID_FIELD", "idempotency-key")


async def test_the_longest_key_is_fine(house: IdempotencyHarness) -> None:
    assert await house.move(CountingHandler(), key="x" * 128) == b"run 1"


def test_calls_whose_contract_takes_no_key_are_left_alone(house: IdempotencyHarness) -> None:
    proceed: Callable[..., Any] = respond_with()
    assert house.interceptor.bind(rpc("internship", "GetInternship"), proceed) is proceed


class StoringChange(CountingHandler):
    """A change that stores its answer in its transaction, unless there is one of its key."""

    def __init__(self, claims: InMemoryClaims, *errors: BaseException) -> None:
        super().__init__(*errors)
        self._claims = claims

    async def __call__(self, request: Any, context: RpcContext) -> bytes:
        answer = await super().__call__(request, context)
        operation = self.operations[-1]
        assert operation is not None and operation.claim is not None
        stored = answered_claim_row(StoredAnswer(operation, operation.claim, answer), operation.claim.slot)
        if self._claims.rows.setdefault(operation.claim.id, stored) is not stored:
            raise domain_error("ALREADY_APPLIED", "You have applied already.")
        return answer


async def test_a_change_that_stores_its_answer_needs_no_claim_before_it(house: IdempotencyHarness) -> None:
    work = StoringChange(house.claims)
    assert [await house.submit(work) for _ in range(2)] == [b"run 1", b"run 1"]
    assert [each.is_replay for each in work.operations if each] == [False, False]


async def test_a_repeat_that_rules_refuse_now_gets_the_stored_answer(house: IdempotencyHarness) -> None:
    await house.submit(StoringChange(house.claims))
    refusing = CountingHandler(domain_error("INTERNSHIP_NOT_OPEN", "Not open."))
    assert await house.submit(refusing) == b"run 1"


async def test_a_refusal_or_fault_without_a_stored_answer_stays_what_it_is(house: IdempotencyHarness) -> None:
    for error in (
        domain_error("INTERNSHIP_NOT_OPEN", "Not open."),
        unavailable("The store"),
        KeyError("bug"),
    ):
        with pytest.raises(type(error)) as caught:
            await house.submit(CountingHandler(error))
        assert caught.value is error
    assert house.claims.rows == {}


async def test_another_request_under_the_key_of_a_stored_answer_is_a_conflict(
    house: IdempotencyHarness,
) -> None:
    work = StoringChange(house.claims)
    await house.submit(work)
    with pytest.raises(DomainError) as caught:
        await house.submit(work, letter="Dear others")
    assert caught.value.reason == "IDEMPOTENCY_KEY_REUSED"


async def test_a_fault_is_told_as_such_while_answers_cannot_be_looked_for(house: IdempotencyHarness) -> None:
    class Unreachable(InMemoryClaims):
        async def find_answer(self, claim: IdempotencyClaim) -> bytes | None:
            raise unavailable("The store")

    house.interceptor = IdempotencyInterceptor(Unreachable(house.clock))
    error = domain_error("ALREADY_APPLIED", "You have applied already.")
    with pytest.raises(DomainError) as caught:
        await house.submit(CountingHandler(error))
    assert caught.value is error


def test_an_answer_is_stored_in_the_callers_slot_only() -> None:
    claim = IdempotencyClaim("usr_1", "test.v1.ThingService.Make", "k1", b"d" * 32)
    operation = IdempotentOperation("op", START, claim=claim)
    with pytest.raises(ValueError, match="changes slot"):
        answered_claim_row(StoredAnswer(operation, claim, b"answer"), claim.slot + 1)

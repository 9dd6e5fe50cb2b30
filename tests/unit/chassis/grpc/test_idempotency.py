import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chassis.caller import Call, Operation, Principal, operation
from chassis.clock import FixedClock
from chassis.errors import DomainError, failed, unavailable
from chassis.grpc.handlers import Context, Handler
from chassis.grpc.interceptors.idempotency import Idempotency
from chassis.idempotency import Claim
from internshipconnect.application.v1.application_pb2 import SubmitApplicationRequest
from tests.fakes.calls import answering, rpc, send
from tests.fakes.claims import InMemoryClaims

SUBMIT = rpc("application", "SubmitApplication")
START = datetime(2027, 1, 1, tzinfo=UTC)


class Work:
    """Counts its runs and remembers under which operation each was done; fails as long as it has errors."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.operations: list[Operation | None] = []

    async def __call__(self, _request: Any, _context: Context) -> bytes:
        self.operations.append(operation())
        if self.errors:
            raise self.errors.pop(0)
        return f"run {len(self.operations)}".encode()


class ForgetfulClaims(InMemoryClaims):
    """Goes down while the work is done."""

    async def complete(self, claim: Claim, answer: bytes) -> None:
        raise unavailable("The store")


class House:
    """A clock, the claims and the interceptor before them."""

    def __init__(self) -> None:
        self.clock = FixedClock(START)
        self.claims = InMemoryClaims(self.clock)
        self.interceptor = Idempotency(self.claims)

    async def submit(
        self, work: Handler, key: str | None = "k1", letter: str = "Dear all", student: str = "usr_1"
    ) -> bytes:
        call = Call(
            principal=Principal(id=student, kind="STUDENT"),
            metadata={} if key is None else {"idempotency-key": key},
        )
        request = SubmitApplicationRequest(cover_letter=letter)
        return await send(self.interceptor, SUBMIT, work, call=call, request=request)

    async def refusal(self, work: Handler, **request: Any) -> DomainError:
        with pytest.raises(DomainError) as caught:
            await self.submit(work, **request)
        return caught.value


@pytest.fixture
def house() -> House:
    return House()


async def test_the_same_key_and_request_get_the_first_answer_again(house: House) -> None:
    work = Work()
    assert await house.submit(work) == await house.submit(work) == b"run 1"
    assert len(work.operations) == 1


async def test_the_same_key_with_another_request_is_a_conflict(house: House) -> None:
    await house.submit(Work())
    assert (await house.refusal(Work(), letter="Dear others")).reason == "IDEMPOTENCY_KEY_REUSED"


async def test_without_a_key_each_request_is_done(house: House) -> None:
    work = Work()
    assert [await house.submit(work, key=None) for _ in range(2)] == [b"run 1", b"run 2"]
    assert work.operations == [None, None]


async def test_two_people_may_use_the_same_key(house: House) -> None:
    work = Work()
    await house.submit(work)
    assert await house.submit(work, student="usr_2") == b"run 2"


async def test_a_repeat_during_the_first_run_is_told_to_wait(house: House) -> None:
    leave = asyncio.Event()

    async def slow(_request: Any, _context: Context) -> bytes:
        await leave.wait()
        return b"done"

    first = asyncio.create_task(house.submit(slow))
    await asyncio.sleep(0)
    error = await house.refusal(Work())
    assert error.reason == "OPERATION_IN_PROGRESS"
    assert error.retry_after_s is not None and 0 < error.retry_after_s <= SUBMIT.policy.deadline_ms / 1000
    leave.set()
    assert await first == b"done"


async def test_a_run_that_was_cut_off_is_run_again_as_the_same_operation(house: House) -> None:
    work = Work(asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await house.submit(work)
    house.clock.advance(timedelta(milliseconds=SUBMIT.policy.deadline_ms))
    assert await house.submit(work) == b"run 2"
    first, second = work.operations
    assert first is not None
    assert second == Operation(first.id, START, replay=True)


async def test_a_refused_request_may_be_put_right_under_the_same_key(house: House) -> None:
    work = Work(failed("INTERNSHIP_NOT_OPEN", "Not open."))
    assert (await house.refusal(work)).reason == "INTERNSHIP_NOT_OPEN"
    assert await house.submit(work, letter="Dear others") == b"run 2"
    assert work.operations[1] is not None and not work.operations[1].replay


@pytest.mark.parametrize("error", [unavailable("The store"), KeyError("bug")], ids=["unavailable", "bug"])
async def test_after_a_failure_of_unknown_outcome_the_same_operation_is_repeated_at_once(
    house: House, error: Exception
) -> None:
    work = Work(error)
    with pytest.raises(type(error)):
        await house.submit(work)
    assert await house.submit(work) == b"run 2"
    first, second = work.operations
    assert first is not None and second is not None
    assert (second.id, second.replay) == (first.id, True)


async def test_the_answer_is_given_even_when_it_cannot_be_kept(house: House) -> None:
    house.interceptor = Idempotency(ForgetfulClaims(house.clock))
    assert await house.submit(Work()) == b"run 1"


@pytest.mark.parametrize("key", ["", "x" * 129, "with space", "tab\t", "ümlaut"])
async def test_a_key_is_1_to_128_visible_characters(house: House, key: str) -> None:
    error = await house.refusal(Work(), key=key)
    assert (error.reason, error.violations[0].field) == ("INVALID_FIELD", "idempotency-key")


async def test_the_longest_key_is_fine(house: House) -> None:
    assert await house.submit(Work(), key="x" * 128) == b"run 1"


def test_calls_whose_contract_takes_no_key_are_left_alone(house: House) -> None:
    proceed: Callable[..., Any] = answering()
    assert house.interceptor.bind(rpc("internship", "GetInternship"), proceed) is proceed

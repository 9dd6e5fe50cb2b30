import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from chassis.call_context import (
    CallContext,
    Principal,
    acting_as,
    bind_call,
    current_operation,
    current_operation_seed,
    current_principal,
    current_principal_or_none,
    remaining_s,
    request_id,
)
from chassis.clock import FixedClock
from chassis.errors import DomainError
from chassis.idempotency import IdempotentOperation

STUDENT = Principal(id="usr_1", kind="STUDENT")


def test_outside_of_a_call_nobody_is_signed_in() -> None:
    assert current_principal_or_none() is None
    assert (request_id(), remaining_s(), current_operation(), current_operation_seed()) == (
        "",
        None,
        None,
        None,
    )
    with pytest.raises(DomainError) as caught:
        current_principal()
    assert caught.value.reason == "TOKEN_MISSING"


def test_acting_as_somebody_ends_with_its_block() -> None:
    run = IdempotentOperation("op", datetime(2027, 1, 1, tzinfo=UTC))
    with acting_as(STUDENT, operation=run):
        assert current_principal() is STUDENT
        assert (current_operation(), current_operation_seed()) == (run, b"op")
    assert current_principal_or_none() is None


async def test_what_a_call_knows_stays_within_its_own_task() -> None:
    async def one(name: str) -> str:
        bind_call(CallContext(name, time.monotonic() + 5))
        await asyncio.sleep(0)
        return request_id()

    assert list(await asyncio.gather(one("a"), one("b"))) == ["a", "b"]


def test_a_deadline_that_has_passed_leaves_no_time_rather_than_less() -> None:
    async def late() -> float | None:
        bind_call(CallContext(deadline=time.monotonic() - 1))
        return remaining_s()

    assert asyncio.run(late()) == 0.0


def test_metadata_does_not_show_in_a_representation() -> None:
    assert "secret" not in repr(CallContext(metadata={"authorization": "Bearer secret"}))


def test_a_clock_counts_whole_milliseconds_in_utc() -> None:
    clock = FixedClock(datetime(2027, 1, 1, 12, 0, 0, 123_999, tzinfo=UTC))
    clock.advance(timedelta(microseconds=1_500))
    assert clock.now() == datetime(2027, 1, 1, 12, 0, 0, 124_000, tzinfo=UTC)

import time
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from chassis.call_context import Principal
from chassis.errors import DomainError
from chassis.redis.call_tickets import FIRST_USE_TIMEOUT_S, CallTickets

STREAM = "internshipconnect.notification.v1.NotificationService.StreamNotificationEvents"
LAPTOP, THIEF = b"laptop", b"thief"
ADA = Principal(
    id="usr_1", kind="STUDENT", session_id="ses_1", amr=("pwd",), expires_at=float(int(time.time()) + 600)
)


class FakeTicketRedis:
    """As much of Redis as tickets use; time passes when a test says so, and it can be down."""

    def __init__(self) -> None:
        self.values: dict[str, tuple[bytes, float]] = {}
        self.now_s = 0.0
        self.is_down = False

    async def get(self, name: str) -> bytes | None:
        if self.is_down:
            raise RedisConnectionError
        value, until_s = self.values.get(name, (None, 0.0))
        return value if self.now_s < until_s else None

    async def set(self, name: str, value: bytes, *, ex: int, nx: bool = False) -> bool:
        if nx and await self.get(name) is not None:
            return False
        if self.is_down:
            raise RedisConnectionError
        self.values[name] = (value, self.now_s + ex)
        return True

    async def expire(self, name: str, seconds: int) -> None:
        self.values[name] = (self.values[name][0], self.now_s + seconds)


@pytest.fixture
def redis() -> FakeTicketRedis:
    return FakeTicketRedis()


@pytest.fixture
def tickets(redis: FakeTicketRedis) -> CallTickets:
    return CallTickets(redis)


async def refusal(call: Any) -> str:
    with pytest.raises(DomainError) as error:
        await call
    return error.value.reason


async def test_a_ticket_stands_for_the_caller_who_asked_for_it(tickets: CallTickets) -> None:
    assert await tickets.redeem(await tickets.issue(ADA, STREAM), STREAM, LAPTOP) == ADA


async def test_a_ticket_has_to_be_used_within_a_minute(tickets: CallTickets, redis: FakeTicketRedis) -> None:
    ticket = await tickets.issue(ADA, STREAM)
    redis.now_s += FIRST_USE_TIMEOUT_S
    assert await refusal(tickets.redeem(ticket, STREAM, LAPTOP)) == "TOKEN_INVALID"


async def test_its_first_client_comes_again_with_it_until_the_token_expires_and_no_other_does(
    tickets: CallTickets, redis: FakeTicketRedis
) -> None:
    ticket = await tickets.issue(ADA, STREAM)
    for _ in range(3):
        assert await tickets.redeem(ticket, STREAM, LAPTOP) == ADA
        assert await refusal(tickets.redeem(ticket, STREAM, THIEF)) == "TOKEN_INVALID"
        redis.now_s += 150
    redis.now_s += 200
    assert await refusal(tickets.redeem(ticket, STREAM, LAPTOP)) == "TOKEN_INVALID"


async def test_a_ticket_is_for_one_call_only(tickets: CallTickets) -> None:
    ticket = await tickets.issue(ADA, "another.call")
    assert await refusal(tickets.redeem(ticket, STREAM, LAPTOP)) == "TOKEN_INVALID"


@pytest.mark.parametrize("text", ["", "x", "A" * 64])
async def test_a_made_up_ticket_is_refused(tickets: CallTickets, text: str) -> None:
    assert await refusal(tickets.redeem(text, STREAM, LAPTOP)) == "TOKEN_INVALID"


async def test_the_store_never_holds_a_ticket_itself(tickets: CallTickets, redis: FakeTicketRedis) -> None:
    ticket = await tickets.issue(ADA, STREAM)
    await tickets.redeem(ticket, STREAM, LAPTOP)
    assert ticket not in repr(redis.values)


async def test_without_redis_tickets_are_unavailable(tickets: CallTickets, redis: FakeTicketRedis) -> None:
    ticket = await tickets.issue(ADA, STREAM)
    redis.is_down = True
    assert await refusal(tickets.issue(ADA, STREAM)) == "UNAVAILABLE"
    assert await refusal(tickets.redeem(ticket, STREAM, LAPTOP)) == "UNAVAILABLE"

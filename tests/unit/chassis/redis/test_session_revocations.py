import asyncio

import pytest
from prometheus_client import REGISTRY
from redis.exceptions import ConnectionError as RedisConnectionError

from chassis.errors import DomainError
from chassis.redis.session_revocations import CACHE_TTL_S, SessionRevocations
from tests.virtual_time import in_virtual_time


class FakeSessionRedis:
    """As much of Redis as sessions use; it can be down or slow."""

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.looked_up = 0
        self.is_down = False
        self.is_slow = False

    async def exists(self, key: str) -> int:
        self.looked_up += 1
        if self.is_slow:
            await asyncio.sleep(10)
        if self.is_down:
            raise RedisConnectionError
        return int(key in self.keys)

    async def set(self, key: str, value: str, *, ex: int) -> None:
        assert value
        assert ex > 0
        self.keys.add(key)


class SessionsHarness:
    def __init__(self) -> None:
        self.now_s = 0.0
        self.notes = FakeSessionRedis()
        self.sessions = SessionRevocations(self.notes, lambda: self.now_s)
        self.elsewhere = SessionRevocations(self.notes, lambda: self.now_s)

    async def lets_in(self, session_id: str) -> bool:
        try:
            await self.sessions.raise_if_revoked(session_id)
        except DomainError as error:
            assert error.reason == "SESSION_REVOKED"
            return False
        return True


@pytest.fixture
def house() -> SessionsHarness:
    return SessionsHarness()


async def test_a_session_is_good_until_it_ends(house: SessionsHarness) -> None:
    assert await house.lets_in("ses_1")
    await house.sessions.revoke("ses_1", 900)
    assert not await house.lets_in("ses_1")


async def test_the_end_of_a_session_in_another_process_is_noticed_within_seconds(
    house: SessionsHarness,
) -> None:
    assert await house.lets_in("ses_1")
    await house.elsewhere.revoke("ses_1", 900)
    house.now_s += CACHE_TTL_S
    assert not await house.lets_in("ses_1")


async def test_redis_is_not_asked_on_every_call(house: SessionsHarness) -> None:
    for _ in range(50):
        await house.lets_in("ses_1")
    assert house.notes.looked_up == 1


@pytest.mark.parametrize("trouble", ["is_down", "is_slow"])
@in_virtual_time
async def test_when_redis_does_not_answer_calls_pass_and_are_counted(
    house: SessionsHarness, trouble: str
) -> None:
    def passed() -> float:
        labels = {"layer": "revocations", "outcome": "bypass"}
        return REGISTRY.get_sample_value("cache_requests_total", labels) or 0.0

    setattr(house.notes, trouble, True)
    before = passed()
    assert await house.lets_in("ses_1")
    assert passed() == before + 1


async def test_looking_again_does_not_go_by_what_is_remembered(house: SessionsHarness) -> None:
    assert await house.lets_in("ses_1")
    await house.elsewhere.revoke("ses_1", 900)
    assert await house.lets_in("ses_1")
    with pytest.raises(DomainError) as ended:
        await house.sessions.raise_if_revoked_now("ses_1")
    assert ended.value.reason == "SESSION_REVOKED"
    assert not await house.lets_in("ses_1")

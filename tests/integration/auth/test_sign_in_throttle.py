"""Failed sign-ins: who has to wait because of whose, counted in a real Redis Cluster."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio.cluster import RedisCluster

from chassis.call_context import CallContext, bind_call, current_call
from chassis.clock import FixedClock
from chassis.errors import DomainError
from chassis.sharding.shards import Shards
from services.auth.api.accounts import add_allowance_headers
from services.auth.domain.accounts import AccountPlan
from services.auth.domain.sign_in_policy import SignInPolicy
from services.auth.domain.visitor import Visitor
from services.auth.failed_sign_ins import FailedSignInCounter, SignInAttempt
from services.auth.repository import AccountChange
from tests.integration.auth.conftest import PASSWORD, REDIS_TIMEOUT_S, AuthHarness, build_auth_harness

WRONG = "not it at all"


FIRST_DELAY_S = 60.0
"""Long enough that a busy machine does not sit it out between two sign-ins."""


@pytest.fixture
def data_key() -> bytes:
    return secrets.token_bytes(32)


@pytest.fixture
async def strict(
    shards: Shards, redis: RedisCluster, clock: FixedClock, data_key: bytes
) -> AsyncIterator[AuthHarness]:
    auth = build_auth_harness(shards, redis, clock, data_key, SignInPolicy(first_delay_s=FIRST_DELAY_S))
    yield auth
    await auth.hasher.close()


@pytest.fixture
async def undelayed(
    shards: Shards, redis: RedisCluster, clock: FixedClock, data_key: bytes
) -> AsyncIterator[AuthHarness]:
    """Yield a service on the same accounts and counted failures, without delays."""
    auth = build_auth_harness(shards, redis, clock, data_key, SignInPolicy(first_delay_s=0.0))
    yield auth
    await auth.hasher.close()


def somewhere(device_token: str = "") -> Visitor:
    """Return a visitor at an address that no other test has."""
    address = f"203.{secrets.randbelow(256)}.{secrets.randbelow(256)}.{secrets.randbelow(256)}"
    return Visitor((address,), b"Firefox", (device_token,) if device_token else ())


def somebody() -> str:
    return f"{secrets.token_hex(6)}@campus.test"


async def tried(auth: AuthHarness, email: str, password: str, visitor: Visitor) -> str:
    """Return the outcome of a sign-in: a reason, or OK."""
    try:
        await auth.sign_in.login(email, password, visitor, add_allowance_headers)
    except DomainError as error:
        return error.reason
    return "OK"


async def failed(auth: AuthHarness, email: str, times: int, visitor: Visitor) -> None:
    for _ in range(times):
        assert await tried(auth, email, WRONG, visitor) == "INVALID_CREDENTIALS"


async def wait_of(call: Awaitable[Any]) -> float:
    with pytest.raises(DomainError) as refusal:
        await call
    assert refusal.value.reason == "RATE_LIMITED"
    assert refusal.value.retry_after_s is not None
    return refusal.value.retry_after_s


async def rate_limit_headers_of(
    auth: AuthHarness, email: str, password: str, visitor: Visitor
) -> dict[str, str]:
    """Return what the answer to a sign-in says about limits."""

    async def call() -> dict[str, str]:
        bind_call(CallContext())
        await tried(auth, email, password, visitor)
        return dict(current_call().headers)

    return await asyncio.create_task(call())


async def test_after_five_failures_an_unknown_client_waits_up_to_a_quarter_of_an_hour_even_if_right(
    strict: AuthHarness,
) -> None:
    email, here = somebody(), somewhere()
    await strict.verified(email)
    await failed(strict, email, 5, here)
    wait_s = await wait_of(strict.sign_in.login(email, PASSWORD, here))
    assert 850 < wait_s <= 900


async def test_failures_elsewhere_never_refuse_the_right_password_on_a_device_that_signed_in_before(
    strict: AuthHarness,
) -> None:
    email, home = somebody(), somewhere()
    await strict.verified(email)
    known = (await strict.sign_in.login(email, PASSWORD, home)).device_token
    for _ in range(5):
        await failed(strict, email, 1, somewhere())
    assert await tried(strict, email, PASSWORD, somewhere()) == "RATE_LIMITED"
    for place in (home, somewhere()):
        assert await tried(strict, email, PASSWORD, replace(place, device_tokens=(known,))) == "OK"
    assert await tried(strict, email, PASSWORD, somewhere()) == "RATE_LIMITED"


def test_an_unknown_client_waits_a_second_at_first_then_twice_as_long_up_to_five_minutes() -> None:
    policy = SignInPolicy()
    delays = [policy.unknown_device_delay_s(failures) for failures in range(4, 16)]
    assert delays == [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


async def test_unknown_clients_at_one_account_wait_longer_each_time_wherever_they_come_from(
    strict: AuthHarness, undelayed: AuthHarness
) -> None:
    email = somebody()
    for _ in range(5):
        await failed(strict, email, 1, somewhere())
    first = await wait_of(strict.sign_in.login(email, WRONG, somewhere()))
    assert 0 < first <= FIRST_DELAY_S
    await failed(undelayed, email, 1, somewhere())
    second = await wait_of(strict.sign_in.login(email, WRONG, somewhere()))
    assert FIRST_DELAY_S < second <= 2 * FIRST_DELAY_S
    assert await tried(strict, somebody(), WRONG, somewhere()) == "INVALID_CREDENTIALS"


async def test_the_owner_on_a_new_device_gets_in_after_the_delay(
    strict: AuthHarness, undelayed: AuthHarness
) -> None:
    email = somebody()
    await strict.verified(email)
    for _ in range(5):
        await failed(strict, email, 1, somewhere())
    new = somewhere()
    assert await tried(strict, email, PASSWORD, new) == "RATE_LIMITED"
    assert await tried(undelayed, email, PASSWORD, new) == "OK"
    assert await tried(strict, email, WRONG, somewhere()) == "INVALID_CREDENTIALS"


async def test_signing_in_forgets_the_failures_before_it_and_is_not_counted_itself(
    strict: AuthHarness,
) -> None:
    email, here = somebody(), somewhere()
    await strict.verified(email)
    for _ in range(3):
        await failed(strict, email, 4, here)
        assert await tried(strict, email, PASSWORD, here) == "OK"
    for _ in range(8):
        assert await tried(strict, email, PASSWORD, here) == "OK"


@pytest.mark.parametrize(("plan", "failures"), [(AccountPlan.FREE, 5), (AccountPlan.PREMIUM, 10)])
async def test_a_known_device_has_the_failures_of_its_accounts_plan(
    strict: AuthHarness, plan: AccountPlan, failures: int
) -> None:
    email = somebody()
    signed_in = await strict.verified(email)

    def upgrade(account: Any) -> AccountChange[None]:
        return AccountChange(None, account=replace(account, plan=plan))

    await strict.accounts.update_with_session(signed_in.account.id, upgrade)
    device = somewhere(signed_in.device_token)
    await failed(strict, email, failures, device)
    assert await tried(strict, email, PASSWORD, device) == "RATE_LIMITED"
    assert await tried(strict, email, PASSWORD, somewhere()) == "OK"


async def failed_at_many(redis: RedisCluster, client: tuple[str, ...], times: int) -> None:
    failures = FailedSignInCounter(redis, SignInPolicy(), REDIS_TIMEOUT_S)
    for _ in range(times):
        await failures.count_failure(SignInAttempt(somebody(), "", client, AccountPlan.FREE))


async def test_a_client_that_fails_at_many_accounts_is_refused_at_all_but_where_its_devices_are_known(
    strict: AuthHarness, redis: RedisCluster
) -> None:
    email, campus = somebody(), somewhere()
    known = (await strict.verified(email)).device_token
    await failed_at_many(redis, campus.client, 99)
    assert await tried(strict, somebody(), WRONG, campus) == "INVALID_CREDENTIALS"
    assert await tried(strict, somebody(), WRONG, campus) == "RATE_LIMITED"
    assert await tried(strict, email, PASSWORD, campus) == "RATE_LIMITED"
    assert await tried(strict, email, PASSWORD, replace(campus, device_tokens=(known,))) == "OK"
    assert await tried(strict, somebody(), WRONG, campus) == "RATE_LIMITED"


async def test_the_64s_of_one_ipv6_household_share_an_allowance_of_failures(
    strict: AuthHarness, redis: RedisCluster
) -> None:
    site = f"2001:db8:{secrets.randbelow(65_535):x}"
    for building in range(4):
        areas = (f"{site}:{building}::/64", f"{site}:0::/56", f"{site}::/48")
        await failed_at_many(redis, areas, 100)
    elsewhere = Visitor((f"{site}:9::/64", f"{site}:0::/56", f"{site}::/48"), b"x")
    assert await tried(strict, somebody(), WRONG, elsewhere) == "RATE_LIMITED"
    other_home = Visitor((f"{site}:100::/64", f"{site}:100::/56", f"{site}::/48"), b"x")
    assert await tried(strict, somebody(), WRONG, other_home) == "INVALID_CREDENTIALS"


async def test_tries_that_come_all_at_once_are_hardly_more_than_the_figure(strict: AuthHarness) -> None:
    email, here = somebody(), somewhere()
    ends = await asyncio.gather(*(tried(strict, email, WRONG, here) for _ in range(30)))
    assert 5 <= ends.count("INVALID_CREDENTIALS") <= 5 + 3
    assert set(ends) == {"INVALID_CREDENTIALS", "RATE_LIMITED"}


async def test_limits_do_not_reveal_whether_an_address_is_known(strict: AuthHarness) -> None:
    known, unknown = somebody(), somebody()
    await strict.verified(known)
    found = []
    for email in (known, unknown):
        here = somewhere()
        found.append([await rate_limit_headers_of(strict, email, WRONG, here) for _ in range(7)])
    for name in ("x-ratelimit-limit", "x-ratelimit-remaining", "ratelimit-policy"):
        assert [each[name] for each in found[0]] == [each[name] for each in found[1]]
    assert [set(each) for each in found[0]] == [set(each) for each in found[1]]
    assert [each["ratelimit-policy"] for each in found[0]] == ['"LOGIN";q=5;w=900'] * 7
    assert [each["x-ratelimit-remaining"] for each in found[0]] == ["4", "3", "2", "1", "0", "0", "0"]


async def test_device_tokens_of_an_account_end_with_its_password_and_keep_their_number(
    strict: AuthHarness,
) -> None:
    email = somebody()
    first = (await strict.verified(email)).device_token
    again = (await strict.sign_in.login(email, PASSWORD, somewhere(first))).device_token
    assert again[:16] == first[:16]

    def new_password(account: Any) -> AccountChange[None]:
        return AccountChange(None, account=replace(account, credential=account.credential + 1))

    await strict.accounts.update_with_session(
        (await strict.sign_in.login(email, PASSWORD)).account.id, new_password
    )
    renewed = (await strict.sign_in.login(email, PASSWORD, somewhere(again))).device_token
    assert renewed[:16] != first[:16]


async def test_without_redis_sign_ins_pass(auth: AuthHarness, shards: Shards, clock: FixedClock) -> None:
    class Gone:
        async def evalsha(self, *_: Any) -> Any:
            raise TimeoutError

        eval = evalsha

    alone: Any = Gone()
    outage = build_auth_harness(shards, alone, clock, secrets.token_bytes(32), SignInPolicy())
    email, here = somebody(), somewhere()
    await failed(outage, email, 7, here)
    await outage.hasher.close()

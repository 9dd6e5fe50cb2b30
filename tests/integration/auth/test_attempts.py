"""Failed sign-ins: who has to wait because of whose, counted in a real Redis Cluster."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio.cluster import RedisCluster

from chassis.caller import Call, begin, current_call
from chassis.clock import FixedClock
from chassis.errors import DomainError
from chassis.mongo.shards import Shards
from services.auth.domain import Plan, SignInPolicy
from services.auth.failures import Attempt, FailedSignIns
from services.auth.store import Change
from services.auth.visitor import Visitor
from tests.integration.auth.conftest import PASSWORD, PATIENCE_S, Auth, assemble

WRONG = "not it at all"


@pytest.fixture
async def strict(shards: Shards, redis: RedisCluster, clock: FixedClock) -> AsyncIterator[Auth]:
    auth = assemble(shards, redis, clock, secrets.token_bytes(32), SignInPolicy())
    yield auth
    await auth.hashing.close()


def somewhere(device_token: str = "") -> Visitor:
    """A visitor at an address that no other test has."""
    address = f"203.{secrets.randbelow(256)}.{secrets.randbelow(256)}.{secrets.randbelow(256)}"
    return Visitor((address,), b"Firefox", (device_token,) if device_token else ())


def somebody() -> str:
    return f"{secrets.token_hex(6)}@campus.test"


async def tried(auth: Auth, email: str, password: str, visitor: Visitor) -> str:
    """How a sign-in ends: with a reason, or OK."""
    try:
        await auth.signing_in.login(email, password, visitor)
    except DomainError as error:
        return error.reason
    return "OK"


async def failed(auth: Auth, email: str, times: int, visitor: Visitor) -> None:
    for _ in range(times):
        assert await tried(auth, email, WRONG, visitor) == "INVALID_CREDENTIALS"


async def wait_of(call: Awaitable[Any]) -> float:
    with pytest.raises(DomainError) as refusal:
        await call
    assert refusal.value.reason == "RATE_LIMITED"
    assert refusal.value.retry_after_s is not None
    return refusal.value.retry_after_s


async def told(auth: Auth, email: str, password: str, visitor: Visitor) -> dict[str, str]:
    """What the answer to a sign-in says about limits."""

    async def call() -> dict[str, str]:
        begin(Call())
        await tried(auth, email, password, visitor)
        return dict(current_call().headers)

    return await asyncio.create_task(call())


async def test_after_five_failures_a_stranger_waits_up_to_a_quarter_of_an_hour_even_if_right(
    strict: Auth,
) -> None:
    email, here = somebody(), somewhere()
    await strict.verified(email)
    await failed(strict, email, 5, here)
    wait_s = await wait_of(strict.signing_in.login(email, PASSWORD, here))
    assert 850 < wait_s <= 900


async def test_failures_elsewhere_never_refuse_the_right_password_on_a_device_that_signed_in_before(
    strict: Auth,
) -> None:
    email, home = somebody(), somewhere()
    await strict.verified(email)
    known = (await strict.signing_in.login(email, PASSWORD, home)).device_token
    for _ in range(5):
        await failed(strict, email, 1, somewhere())
    assert await tried(strict, email, PASSWORD, somewhere()) == "RATE_LIMITED"
    for place in (home, somewhere()):
        assert await tried(strict, email, PASSWORD, replace(place, device_tokens=(known,))) == "OK"
    assert await tried(strict, email, PASSWORD, somewhere()) == "RATE_LIMITED"


async def test_strangers_at_one_account_wait_longer_each_time_wherever_they_come_from(strict: Auth) -> None:
    email = somebody()
    for _ in range(5):
        await failed(strict, email, 1, somewhere())
    assert await wait_of(strict.signing_in.login(email, WRONG, somewhere())) == 1
    await asyncio.sleep(1.05)
    await failed(strict, email, 1, somewhere())
    assert await wait_of(strict.signing_in.login(email, WRONG, somewhere())) == 2
    assert await tried(strict, somebody(), WRONG, somewhere()) == "INVALID_CREDENTIALS"


async def test_the_owner_on_a_new_device_gets_in_after_the_delay(strict: Auth) -> None:
    email = somebody()
    await strict.verified(email)
    for _ in range(5):
        await failed(strict, email, 1, somewhere())
    new = somewhere()
    await asyncio.sleep(await wait_of(strict.signing_in.login(email, PASSWORD, new)))
    assert await tried(strict, email, PASSWORD, new) == "OK"
    assert await tried(strict, email, WRONG, somewhere()) == "INVALID_CREDENTIALS"


async def test_signing_in_forgets_the_failures_before_it_and_is_not_counted_itself(strict: Auth) -> None:
    email, here = somebody(), somewhere()
    await strict.verified(email)
    for _ in range(3):
        await failed(strict, email, 4, here)
        assert await tried(strict, email, PASSWORD, here) == "OK"
    for _ in range(8):
        assert await tried(strict, email, PASSWORD, here) == "OK"


@pytest.mark.parametrize(("plan", "failures"), [(Plan.FREE, 5), (Plan.PREMIUM, 10)])
async def test_a_known_device_has_the_failures_of_its_accounts_plan(
    strict: Auth, plan: Plan, failures: int
) -> None:
    email = somebody()
    signed_in = await strict.verified(email)

    def upgrade(account: Any) -> Change[None]:
        return Change(None, account=replace(account, plan=plan))

    await strict.accounts.change(signed_in.account.id, upgrade)
    device = somewhere(signed_in.device_token)
    await failed(strict, email, failures, device)
    assert await tried(strict, email, PASSWORD, device) == "RATE_LIMITED"
    assert await tried(strict, email, PASSWORD, somewhere()) == "OK"


async def failed_at_many(redis: RedisCluster, client: tuple[str, ...], times: int) -> None:
    failures = FailedSignIns(redis, SignInPolicy(), PATIENCE_S)
    for _ in range(times):
        await failures.count(Attempt(somebody(), "", client, Plan.FREE))


async def test_a_client_that_fails_at_many_accounts_is_refused_at_all_but_where_its_devices_are_known(
    strict: Auth, redis: RedisCluster
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
    strict: Auth, redis: RedisCluster
) -> None:
    site = f"2001:db8:{secrets.randbelow(65_535):x}"
    for room in range(4):
        areas = (f"{site}:{room}::/64", f"{site}:0::/56", f"{site}::/48")
        await failed_at_many(redis, areas, 100)
    elsewhere = Visitor((f"{site}:9::/64", f"{site}:0::/56", f"{site}::/48"), b"x")
    assert await tried(strict, somebody(), WRONG, elsewhere) == "RATE_LIMITED"
    other_home = Visitor((f"{site}:100::/64", f"{site}:100::/56", f"{site}::/48"), b"x")
    assert await tried(strict, somebody(), WRONG, other_home) == "INVALID_CREDENTIALS"


async def test_tries_that_come_all_at_once_are_hardly_more_than_the_figure(strict: Auth) -> None:
    email, here = somebody(), somewhere()
    ends = await asyncio.gather(*(tried(strict, email, WRONG, here) for _ in range(30)))
    assert 5 <= ends.count("INVALID_CREDENTIALS") <= 5 + 3
    assert set(ends) == {"INVALID_CREDENTIALS", "RATE_LIMITED"}


async def test_limits_tell_nothing_of_whether_an_address_is_known(strict: Auth) -> None:
    known, unknown = somebody(), somebody()
    await strict.verified(known)
    found = []
    for email in (known, unknown):
        here = somewhere()
        found.append([await told(strict, email, WRONG, here) for _ in range(7)])
    for name in ("x-ratelimit-limit", "x-ratelimit-remaining", "ratelimit-policy"):
        assert [each[name] for each in found[0]] == [each[name] for each in found[1]]
    assert [set(each) for each in found[0]] == [set(each) for each in found[1]]
    assert [each["ratelimit-policy"] for each in found[0]] == ['"LOGIN";q=5;w=900'] * 7
    assert [each["x-ratelimit-remaining"] for each in found[0]] == ["4", "3", "2", "1", "0", "0", "0"]


async def test_device_tokens_of_an_account_end_with_its_password_and_keep_their_number(strict: Auth) -> None:
    email = somebody()
    first = (await strict.verified(email)).device_token
    again = (await strict.signing_in.login(email, PASSWORD, somewhere(first))).device_token
    assert again[:16] == first[:16]

    def new_password(account: Any) -> Change[None]:
        return Change(None, account=replace(account, credential=account.credential + 1))

    await strict.accounts.change((await strict.signing_in.login(email, PASSWORD)).account.id, new_password)
    renewed = (await strict.signing_in.login(email, PASSWORD, somewhere(again))).device_token
    assert renewed[:16] != first[:16]


async def test_without_redis_sign_ins_pass(auth: Auth, shards: Shards, clock: FixedClock) -> None:
    class Gone:
        async def evalsha(self, *_: Any) -> Any:
            raise TimeoutError

        eval = evalsha

    alone: Any = Gone()
    outage = assemble(shards, alone, clock, secrets.token_bytes(32), SignInPolicy())
    email, here = somebody(), somewhere()
    await failed(outage, email, 7, here)
    await outage.hashing.close()

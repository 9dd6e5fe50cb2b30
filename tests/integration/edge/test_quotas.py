"""Quotas as clients meet them: real gateways, a real limiter and a real Redis Cluster."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from chassis.ids import new_id
from gateway.envoy.quotas import QUOTA_HEADER
from gateway.ratelimit.quota_messages import QUOTA_METHOD
from internshipconnect.internship.v1 import internship_pb2 as pb
from internshipconnect.internship.v1.internship_pb2_grpc import InternshipServiceStub
from tests.fakes.tokens import access_token
from tests.integration.edge.conftest import EdgeHarness
from tests.integration.ratelimit.process import SLOW_REDIS_SETTINGS, LaunchedRateLimiter, RateLimiterLauncher
from tests.stack import StackHandle
from tests.waiting import WAIT_TIMEOUT_S, wait_until

SEARCH = "/api/v1/internships"
USERS = 1_000
LIMIT = 3
CALLS_PER_GATEWAY = 3
SHARE = 1
"""The part of a limit of this size that falls to one reporting interval."""
FREE_RULE = "internshipconnect.class_SEARCH.plan.user"
LIMITS = """
domain: internshipconnect
descriptors:
  - key: class
    value: SEARCH
    descriptors:
      - key: plan
        value: ADMIN
        descriptors:
          - {{key: user, rate_limit: {{unlimited: true}}}}
      - key: plan
        value: PRO
        descriptors:
          - {{key: user, rate_limit: {{unit: hour, requests_per_unit: {pro}}}}}
      - key: plan
        descriptors:
          - {{key: user, rate_limit: {{unit: hour, requests_per_unit: {free}}}}}
"""


def write_limits(folder: Path, free: int = LIMIT, pro: int = 100) -> dict[str, str]:
    """Write limits, and return the settings of a limiter that has them."""
    folder.mkdir(exist_ok=True)
    (folder / "limits.yaml").write_text(LIMITS.format(free=free, pro=pro))
    return {**SLOW_REDIS_SETTINGS, "IC_LIMITS_DIR": str(folder)}


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[RateLimiterLauncher]:
    launcher = RateLimiterLauncher(StackHandle.under_test(), tmp_path)
    yield launcher
    launcher.end_all()


@asynccontextmanager
async def opened_gateways(
    folder: Path, limiter: LaunchedRateLimiter, count: int
) -> AsyncIterator[list[EdgeHarness]]:
    limiter.await_ready()
    async with AsyncExitStack() as closing:
        found = []
        for number in range(count):
            place = folder / f"gateway-{number}"
            place.mkdir()
            edge = EdgeHarness(place, closing)
            await edge.open(rate_limits=limiter.address)
            answer = pb.ListInternshipsResponse(next_page_token="a")
            edge.internships.answers["ListInternships"] = answer.SerializeToString()
            found.append(edge)
        yield found


def bearer(user: str, plan: str = "FREE") -> dict[str, str]:
    return {"authorization": f"Bearer {access_token(user, plan=plan)}"}


async def search(edge: EdgeHarness, who: dict[str, str]) -> httpx.Response:
    return await edge.client.get(SEARCH, params={"q": secrets.token_hex(8)}, headers=who)


async def passed(edge: EdgeHarness, who: dict[str, str], calls: int) -> int:
    return sum([(await search(edge, who)).status_code == 200 for _ in range(calls)])


async def is_admitted(channel: grpc.aio.Channel, who: dict[str, str]) -> bool:
    """Search over gRPC, which costs the test less than HTTP. A call that took too long was admitted."""
    stub: Any = InternshipServiceStub(channel)
    try:
        await stub.ListInternships(
            pb.ListInternshipsRequest(), metadata=tuple(who.items()), timeout=WAIT_TIMEOUT_S
        )
    except grpc.aio.AioRpcError as error:
        assert error.code() in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED), error
        return error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    return True


async def use_up(channels: Sequence[grpc.aio.Channel], user: str) -> int:
    """Call through all gateways at once, time and again; return how many calls were admitted."""
    who, admitted = bearer(user), 0
    for _ in range(CALLS_PER_GATEWAY):
        admitted += sum(await asyncio.gather(*(is_admitted(channel, who) for channel in channels)))
    return admitted


async def run_bounded(users: Iterable[Awaitable[int]]) -> list[int]:
    at_once = asyncio.Semaphore(16)

    async def run_one(user: Awaitable[int]) -> int:
        async with at_once:
            return await user

    return await asyncio.gather(*map(run_one, users))


async def test_a_thousand_users_at_their_limits_get_them_and_a_share_of_an_interval_through_two_gateways(
    launcher: RateLimiterLauncher, tmp_path: Path
) -> None:
    limiter = launcher(**write_limits(tmp_path / "limits"))
    async with opened_gateways(tmp_path, limiter, 2) as gateways, AsyncExitStack() as closing:
        channels = [
            await closing.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{edge.listen}"))
            for edge in gateways
        ]
        users = [use_up(channels, new_id("usr")) for _ in range(USERS)]
        found = Counter(await run_bounded(users))
    assert max(found) <= LIMIT + SHARE * len(gateways), found
    # A few may be refused early, as the other gateway holds a part of their limit.
    assert found.total() == USERS
    assert sum(times for admitted, times in found.items() if admitted >= LIMIT - 1) >= 0.95 * USERS, found
    assert limiter.metric("ratelimit_quota_buckets_total") > USERS


async def test_a_caller_without_a_limit_costs_no_call_and_hears_of_none(
    launcher: RateLimiterLauncher, tmp_path: Path
) -> None:
    limiter = launcher(**write_limits(tmp_path / "limits"))
    async with opened_gateways(tmp_path, limiter, 1) as [edge]:
        who = bearer(new_id("usr"), "ADMIN")
        answers = [await search(edge, who) for _ in range(100)]
    assert {answer.status_code for answer in answers} == {200}
    assert not any("x-ratelimit-limit" in answer.headers for answer in answers)
    assert limiter.metric("ratelimit_answers_total", code="OK") == 0
    assert limiter.metric("ratelimit_quota_reports_total") < 50


async def test_another_plan_and_other_limits_hold_without_a_restart(
    launcher: RateLimiterLauncher, tmp_path: Path
) -> None:
    limits, user = tmp_path / "limits", new_id("usr")
    limiter = launcher(**write_limits(limits))
    async with opened_gateways(tmp_path, limiter, 1) as [edge]:
        assert await passed(edge, bearer(user), LIMIT + 1) == LIMIT
        better = await search(edge, bearer(user, "PRO"))
        assert better.headers["x-ratelimit-limit"] == "100"
        write_limits(limits, free=2 * LIMIT)

        async def is_admitted_again() -> bool:
            return (await search(edge, bearer(user))).status_code == 200

        await wait_until(is_admitted_again, "the raised limit to hold")
        assert await passed(edge, bearer(user), 2 * LIMIT) == LIMIT - 1


async def test_without_a_limiter_a_gateway_admits_half_of_a_limit_and_refuses_with_a_time(
    launcher: RateLimiterLauncher, tmp_path: Path
) -> None:
    limiter = launcher(**write_limits(tmp_path / "limits", free=20))
    async with opened_gateways(tmp_path, limiter, 1) as [edge]:
        await search(edge, bearer(new_id("usr")))
        limiter.end()
        other = bearer(new_id("usr"))
        answers = [await search(edge, other) for _ in range(30)]
    admitted = sum(answer.status_code == 200 for answer in answers)
    assert 10 <= admitted <= 10 + SHARE
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) > 0


async def test_a_client_can_neither_report_nor_ask_for_quotas(
    launcher: RateLimiterLauncher, tmp_path: Path
) -> None:
    limiter = launcher(**write_limits(tmp_path / "limits"))
    async with opened_gateways(tmp_path, limiter, 1) as [edge]:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{edge.listen}") as channel:
            call: Any = channel.unary_unary(QUOTA_METHOD)
            line = b"class=SEARCH,plan=FREE,user=usr_1 0 0 0 0 0 5"
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await call(line, metadata=((QUOTA_HEADER, "1"),), timeout=30)
        assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED
        answer = await edge.client.post(QUOTA_METHOD, content=line, headers={QUOTA_HEADER: "1"})
        assert answer.status_code == 404
    assert limiter.metric("ratelimit_hits_total", rule=FREE_RULE) == 0
    assert limiter.metric("ratelimit_leased_total", rule=FREE_RULE) == 0

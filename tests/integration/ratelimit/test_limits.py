"""The limits on the wire: each class and plan, many clients at once, several services, headers."""

import asyncio
from typing import Any

import grpc
import pytest
from envoy.service.ratelimit.v3 import rls_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.integration.ratelimit.process import (
    OK,
    OVER_LIMIT,
    SLOW_REDIS_SETTINGS,
    LaunchedRateLimiter,
    RateLimitClient,
    RateLimiterLauncher,
    build_descriptor,
    headers_of,
)
from tests.waiting import WAIT_TIMEOUT_S

FIGURES = {
    "PUBLIC_API": (60, {"FREE": 100, "PREMIUM": 1_000, "PRO": 10_000}),
    "SEARCH": (60, {"FREE": 10, "PREMIUM": 100, "PRO": 1_000}),
    "UPLOAD": (3_600, {"FREE": 5, "PREMIUM": 50, "PRO": 500}),
    "SUGGEST": (60, {"FREE": 120, "PREMIUM": 600, "PRO": 6_000}),
}
LIMITED = [(name, plan) for name, (_, plans) in FIGURES.items() for plan in plans]


async def exhaust(client: RateLimitClient, limit: int, *entries: tuple[str, str]) -> None:
    """Use a limit up, most of it at once and the rest hit by hit, and assert that no more is admitted."""
    one_by_one = min(limit, 5)
    if limit > one_by_one:
        assert await client.passes(build_descriptor(*entries, hits=limit - one_by_one))
    for left in reversed(range(one_by_one)):
        answer = await client.ask(build_descriptor(*entries))
        assert answer.overall_code == OK
        assert answer.statuses[0].limit_remaining == left
    for _ in range(3):
        assert not await client.passes(build_descriptor(*entries))


@pytest.mark.parametrize(("name", "plan"), LIMITED)
async def test_a_signed_in_user_gets_what_the_plan_allows(
    client: RateLimitClient, somebody: str, name: str, plan: str
) -> None:
    window_s, plans = FIGURES[name]
    entries = (("class", name), ("plan", plan), ("user", somebody))
    await exhaust(client, plans[plan], *entries)
    answer = await client.ask(build_descriptor(*entries))
    headers = headers_of(answer)
    assert headers["X-RateLimit-Limit"] == str(plans[plan])
    assert headers["RateLimit-Policy"] == f'"{name}";q={plans[plan]};w={window_s}'
    assert 1 <= int(headers["Retry-After"]) <= window_s


@pytest.mark.parametrize("name", FIGURES)
async def test_an_address_gets_what_the_free_plan_allows(
    client: RateLimitClient, somebody: str, name: str
) -> None:
    await exhaust(client, FIGURES[name][1]["FREE"], ("class", name), ("address", somebody))


@pytest.mark.parametrize("name", ["PUBLIC_API", "SEARCH", "UPLOAD"])
async def test_administrators_have_no_limit_and_no_headers(
    client: RateLimitClient, somebody: str, name: str
) -> None:
    answer = await client.ask(
        build_descriptor(("class", name), ("plan", "ADMIN"), ("user", somebody), hits=1_000_000)
    )
    assert answer.overall_code == OK
    assert headers_of(answer) == {}


async def test_a_flood_of_registrations_of_one_account_is_stopped_from_wherever_it_comes(
    client: RateLimitClient, somebody: str
) -> None:
    register = (("class", "SIGN_UP"), ("call", "Register"))
    account = build_descriptor(*register, ("account", f"{somebody}@example.org"))
    clients = [build_descriptor(*register, ("client", f"{somebody}:{n}")) for n in range(201)]
    answers = [await client.ask(each, account) for each in clients]
    assert [answer.overall_code for answer in answers] == [OK] * 200 + [OVER_LIMIT]
    assert [status.code for status in answers[200].statuses] == [OK, OVER_LIMIT]


async def test_codes_of_five_clients_for_one_account_leave_its_owner_the_whole_allowance(
    client: RateLimitClient, somebody: str
) -> None:
    about = (("class", "SIGN_UP"), ("call", "VerifyEmail"), ("account", f"{somebody}@example.org"))

    async def ask_as(one: str) -> int:
        answer = await client.ask(build_descriptor(*about), build_descriptor(*about, ("client", one)))
        return int(answer.overall_code)

    for other in range(5):
        assert [await ask_as(f"{somebody}:{other}") for _ in range(6)] == [OK] * 5 + [OVER_LIMIT]
    assert await ask_as(f"{somebody}:owner") == OK


async def test_headers_show_the_remaining_requests_and_the_reset_time(
    client: RateLimitClient, somebody: str
) -> None:
    answer = await client.ask(build_descriptor(("class", "SEARCH"), ("address", somebody), hits=4))
    assert headers_of(answer) == {
        "X-RateLimit-Limit": "10",
        "X-RateLimit-Remaining": "6",
        "X-RateLimit-Reset": "60",
        "RateLimit": '"SEARCH";r=6;t=60',
        "RateLimit-Policy": '"SEARCH";q=10;w=60',
    }
    status = answer.statuses[0]
    assert status.current_limit.requests_per_unit == 10
    assert status.current_limit.unit == rls_pb2.RateLimitResponse.RateLimit.MINUTE
    assert status.duration_until_reset.seconds == 60


async def test_fifty_clients_at_one_key_are_admitted_exactly_up_to_the_limit(
    service: LaunchedRateLimiter, somebody: str
) -> None:
    clients = [RateLimitClient(service.address) for _ in range(50)]
    wanted = build_descriptor(("class", "UPLOAD"), ("plan", "PREMIUM"), ("user", somebody))
    passed = await asyncio.gather(*(client.passes(wanted) for client in clients for _ in range(3)))
    assert sum(passed) == 50
    await asyncio.gather(*(client.close() for client in clients))


async def test_two_services_share_their_counts(
    launch: RateLimiterLauncher, service: LaunchedRateLimiter, somebody: str
) -> None:
    other = launch(**SLOW_REDIS_SETTINGS)
    other.await_ready()
    clients = [RateLimitClient(service.address), RateLimitClient(other.address)]
    wanted = build_descriptor(("class", "SEARCH"), ("plan", "PREMIUM"), ("user", somebody))
    passed = await asyncio.gather(*(clients[n % 2].passes(wanted) for n in range(150)))
    assert sum(passed) == 100
    for client in clients:
        await client.close()


async def test_a_flood_on_one_key_is_refused_without_asking_redis(
    client: RateLimitClient, service: LaunchedRateLimiter, somebody: str
) -> None:
    rule = "internshipconnect.class_UPLOAD.address"
    before = service.metric("ratelimit_remembered_total", rule=rule)
    wanted = build_descriptor(("class", "UPLOAD"), ("address", somebody))
    passed = [await client.passes(wanted) for _ in range(105)]
    assert passed == [True] * 5 + [False] * 100
    assert service.metric("ratelimit_remembered_total", rule=rule) == before + 99


async def test_what_nobody_limits_passes(client: RateLimitClient, somebody: str) -> None:
    for descriptor in (
        build_descriptor(("class", "INTERNAL"), ("address", somebody)),
        build_descriptor(("path", "/")),
    ):
        answer = await client.ask(descriptor)
        assert (answer.overall_code, headers_of(answer)) == (OK, {})


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (rls_pb2.RateLimitRequest(descriptors=[build_descriptor(("a", "b"))]), "domain is empty"),
        (rls_pb2.RateLimitRequest(domain="d"), "descriptors has 0 items"),
        (
            rls_pb2.RateLimitRequest(domain="d", descriptors=[build_descriptor(("a", "\0"))]),
            "control character",
        ),
        (
            rls_pb2.RateLimitRequest(domain="d", descriptors=[build_descriptor(*[("a", "b")] * 1_000)]),
            "has 1000 items",
        ),
        (
            rls_pb2.RateLimitRequest(domain="d", descriptors=[build_descriptor(("a", "b" * 900_000))]),
            "allowed: 4096",
        ),
    ],
)
async def test_a_wrong_request_is_answered_with_what_is_wrong(
    client: RateLimitClient, service: LaunchedRateLimiter, request_: rls_pb2.RateLimitRequest, message: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.send(request_)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert message in (caught.value.details() or "")
    assert service.popen.poll() is None


async def test_a_message_that_is_none_is_answered_with_invalid_argument(service: LaunchedRateLimiter) -> None:
    async with grpc.aio.insecure_channel(service.address) as channel:
        call: Any = channel.unary_unary("/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(b"\xff\xff\xff\xff", timeout=WAIT_TIMEOUT_S)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_health_and_reflection_know_the_service(service: LaunchedRateLimiter) -> None:
    name = "envoy.service.ratelimit.v3.RateLimitService"
    with grpc.insecure_channel(service.address) as channel:
        health_stub: Any = health_pb2_grpc.HealthStub(channel)
        health = health_stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=WAIT_TIMEOUT_S)
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        answers = stub.ServerReflectionInfo(iter([asked]), timeout=WAIT_TIMEOUT_S)
        known = {each.name for answer in answers for each in answer.list_services_response.service}
    assert health.status == health_pb2.HealthCheckResponse.SERVING
    assert name in known


async def test_calls_are_measured(
    client: RateLimitClient, service: LaunchedRateLimiter, somebody: str
) -> None:
    before = service.metric("ratelimit_should_rate_limit_seconds_count")
    answered = service.metric("ratelimit_answers_total", code="OK")
    await client.ask(build_descriptor(("class", "SEARCH"), ("address", somebody)))
    assert service.metric("ratelimit_should_rate_limit_seconds_count") == before + 1
    assert service.metric("ratelimit_answers_total", code="OK") == answered + 1

"""Without Redis, or without one of its nodes, requests pass, and a log says so; with it, limits hold."""

import asyncio
from collections.abc import Callable

from redis import Redis

from tests.integration.ratelimit.process import (
    OK,
    SLOW_REDIS_SETTINGS,
    LaunchedRateLimiter,
    RateLimitClient,
    RateLimiterLauncher,
    build_descriptor,
)
from tests.stack import StackHandle, wait_until_blocking
from tests.waiting import WAIT_TIMEOUT_S, wait_until

NODES = ("redis-1", "redis-2", "redis-3")


async def passing(client: RateLimitClient, somebody: str, count: int = 60) -> int:
    """Return how many of this number of users, spread over all nodes, pass with all their hits."""
    answers = await asyncio.gather(
        *(
            client.ask(
                build_descriptor(("class", "UPLOAD"), ("plan", "FREE"), ("user", f"{somebody}{n}"), hits=5)
            )
            for n in range(count)
        )
    )
    return sum(answer.overall_code == OK for answer in answers)


async def none_passes(client: RateLimitClient, somebody: str) -> None:
    async with asyncio.timeout(WAIT_TIMEOUT_S):
        while await passing(client, somebody):
            await asyncio.sleep(0.1)


def bypassed(service: LaunchedRateLimiter) -> float:
    causes = ("unreached", "open", "slow", "error", "deadline")
    return sum(service.metric("ratelimit_bypassed_total", cause=cause) for cause in causes)


async def test_a_node_that_stops_lets_its_own_keys_pass_and_limits_them_again_when_it_is_back(
    launch: RateLimiterLauncher, stack: StackHandle, stopped: Callable[[str], None], somebody: str
) -> None:
    # Refusals are not remembered, or they would be given while the node is away.
    service = launch(IC_REMEMBERED_REFUSALS="1", **SLOW_REDIS_SETTINGS)
    service.await_ready()
    client = RateLimitClient(service.address)
    assert await passing(client, somebody) == 60
    assert await passing(client, somebody) == 0
    assert bypassed(service) == 0

    stopped("redis-2")
    passed = await passing(client, somebody)
    assert 5 < passed < 40
    assert bypassed(service) == passed
    wait_until_blocking(lambda: service.ops("/ready").json()["degraded"] == ["redis"], "degradation")
    assert service.ops("/ready").status_code == 200
    assert service.written().count("limits are not enforced") == 1

    stack.start("redis-2")
    stack.await_ready("redis-2")
    await none_passes(client, somebody)
    assert service.written().count("limits are enforced again") == 1
    wait_until_blocking(lambda: service.ops("/ready").json()["degraded"] == [], "no degradation")
    await client.close()


async def test_the_service_starts_without_redis_and_limits_as_soon_as_it_is_there(
    launch: RateLimiterLauncher, stack: StackHandle, stopped: Callable[[str], None], somebody: str
) -> None:
    for node in NODES:
        stopped(node)
    service = launch(**SLOW_REDIS_SETTINGS)
    service.await_ready()
    client = RateLimitClient(service.address)
    assert await passing(client, somebody) == 60
    assert await passing(client, somebody) == 60
    assert service.metric("ratelimit_bypassed_total", cause="unreached") == 120

    for node in NODES:
        stack.start(node)
    for node in NODES:
        stack.await_ready(node)
    await none_passes(client, somebody)
    await client.close()


async def test_a_node_that_hangs_is_waited_for_a_few_times_and_then_left_alone(
    launch: RateLimiterLauncher, stack: StackHandle, somebody: str
) -> None:
    service = launch(IC_REMEMBERED_REFUSALS="1")
    service.await_ready()
    client = RateLimitClient(service.address)
    await passing(client, somebody)
    host, port = stack.redis_nodes[0]
    with Redis(host=host, port=port, password=stack.credentials.redis_password) as node:
        node.execute_command("CLIENT", "PAUSE", 10_000, "ALL")

        async def is_left_alone() -> bool:
            assert await passing(client, somebody) > 0
            slow = service.metric("ratelimit_bypassed_total", cause="slow")
            return bool(slow and service.metric("ratelimit_bypassed_total", cause="open"))

        await wait_until(is_left_alone, "the node to be left alone")
    await none_passes(client, somebody)
    await client.close()

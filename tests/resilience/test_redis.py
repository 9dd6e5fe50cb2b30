"""Without a quick Redis everything is slower, nothing is wrong, and it is over when Redis is back."""

import asyncio
from collections.abc import Sequence
from statistics import median

import httpx
import pytest

from devstack.fault_proxy.model import StoreFault
from tests.faults.user_pool import UserPool
from tests.resilience.timed_requests import ME, TimedResponse, fault_in_force, read_timed, sum_metric
from tests.stack import StackHandle, wait_until_blocking

pytestmark = pytest.mark.thorough

ROUNDS = 6


@pytest.mark.parametrize(
    "fault",
    [StoreFault(kind="delay", delay_s=0.2), StoreFault(kind="hang"), StoreFault(kind="down")],
    ids=lambda fault: fault.kind,
)
def test_reads_are_right_and_in_time_while_redis_is_not_and_as_fast_as_before_right_after(
    stack: StackHandle, crowd: UserPool, client: httpx.Client, fault: StoreFault
) -> None:
    listings = [f"/api/v1/internships/{each}" for each in asyncio.run(crowd.post_listings())]
    before = _rounds(client, listings)
    passed_by = sum_metric(stack, "internship", "cache_requests_total", outcome="bypass")
    with fault_in_force(stack, "redis", fault):
        unread = [f"/api/v1/internships/{each}" for each in asyncio.run(crowd.post_listings())]
        _rounds(client, [*listings, *unread])
        assert sum_metric(stack, "internship", "cache_requests_total", outcome="bypass") > passed_by
        assert sum_metric(stack, "internship", "breaker_state", dependency="redis/") > 0
    after = _rounds(client, listings)
    assert median(each.took_s for each in after) < 2 * median(each.took_s for each in before) + 0.5
    wait_until_blocking(lambda: _is_closed(stack), "Redis to be used again")


def _is_closed(stack: StackHandle) -> bool:
    return sum_metric(stack, "internship", "breaker_state", dependency="redis/") == 0


def _rounds(client: httpx.Client, listings: Sequence[str]) -> list[TimedResponse]:
    """Read everything several times, and assert that each answer is right."""
    taken = []
    for _ in range(ROUNDS):
        for path in (*listings, ME):
            timed = read_timed(client, path)
            assert timed.is_fresh, timed.answer.text
            if path != ME:
                assert timed.answer.json()["id"] == path.rpartition("/")[2]
            taken.append(timed)
    return taken

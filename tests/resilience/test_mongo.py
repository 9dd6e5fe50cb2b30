"""A shard that does not answer, without saying so, concerns its own users only, and nobody waits for ever."""

import asyncio
import time

import httpx
import pytest

from chassis.ids import slot_of
from chassis.sharding.slot_map import SlotMap
from devstack.fault_proxy.model import StoreFault
from devstack.seed.signed_in_users import SignedInUser
from ops.service_names import SERVICES
from tests.faults.user_pool import UserPool
from tests.resilience.timed_requests import (
    ME,
    fault_in_force,
    is_readable_error,
    read_timed,
    submit_timed,
    sum_metric,
)
from tests.stack import StackHandle, wait_until_blocking
from tests.waiting import WAIT_TIMEOUT_S

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(300)]

CACHED_S = 10.0 * 1.1
RECOVERY_TIMEOUT_S = WAIT_TIMEOUT_S


def test_a_shard_that_hangs_is_noticed_by_its_own_users_only_and_is_back_within_seconds(
    stack: StackHandle, crowd: UserPool, client: httpx.Client
) -> None:
    posted = [*asyncio.run(crowd.post_listings()), *asyncio.run(crowd.post_listings())]
    known, unread = [f"/api/v1/internships/{each}" for each in _on(stack, "s1", posted)[:2]]
    elsewhere = _on(stack, "s2", posted)[0]
    neighbour = _student_on(stack, crowd, "s2")
    assert read_timed(client, known).is_fresh
    with fault_in_force(stack, "mongo-s1", StoreFault(kind="hang")):
        began = time.monotonic()
        while (stale := read_timed(client, known)).is_fresh:
            assert time.monotonic() - began < CACHED_S + WAIT_TIMEOUT_S, (
                "the cache keeps a listing for too long"
            )
            assert read_timed(client, f"/api/v1/internships/{elsewhere}").is_fresh
            time.sleep(0.2)
        assert (stale.status, stale.answer.headers.get("x-stale")) == (200, "true")
        for path, reader in ((unread, neighbour), (ME, _student_on(stack, crowd, "s1"))):
            refused = read_timed(client, path, member=reader)
            assert is_readable_error(refused), refused.answer.text
        assert read_timed(client, ME, member=neighbour).is_fresh
        assert _breaker(stack, "s1") == 2
        assert _breaker(stack, "s2") == 0
        applied = submit_timed(client, elsewhere, member=neighbour)
        assert applied.status == 200, applied.answer.text
    wait_until_blocking(
        lambda: read_timed(client, unread).is_fresh, "a fresh answer", within_s=RECOVERY_TIMEOUT_S
    )
    wait_until_blocking(
        lambda: read_timed(client, known).is_fresh, "a fresh answer", within_s=RECOVERY_TIMEOUT_S
    )
    wait_until_blocking(
        lambda: _is_used_by_all(stack), "all services to use the shard", within_s=RECOVERY_TIMEOUT_S
    )
    assert _breaker(stack, "s1") == 0


def test_an_application_to_slow_shards_is_slower_and_succeeds(
    stack: StackHandle, crowd: UserPool, client: httpx.Client
) -> None:
    [listing, *_] = asyncio.run(crowd.post_listings())
    with fault_in_force(stack, "mongo", StoreFault(kind="delay", delay_s=0.1)):
        for student in crowd.students[:3]:
            applied = submit_timed(client, listing, member=student)
            assert applied.status == 200, applied.answer.text
            assert applied.took_s > 0.1


def _is_used_by_all(stack: StackHandle) -> bool:
    reports = [httpx.get(f"{stack.ops_url(service)}/ready", trust_env=False).json() for service in SERVICES]
    return all(report["ready"] and not report["degraded"] for report in reports)


def _breaker(stack: StackHandle, shard: str) -> float:
    return sum_metric(stack, "internship", "breaker_state", dependency=f'mongo/{shard}"')


def _on(stack: StackHandle, shard: str, ids: list[str]) -> list[str]:
    shard_of = SlotMap.load(stack.topology.slot_map_file).shard_name
    return [each for each in ids if shard_of(slot_of(each)) == shard]


def _student_on(stack: StackHandle, crowd: UserPool, shard: str) -> SignedInUser:
    shard_of = SlotMap.load(stack.topology.slot_map_file).shard_name
    return next(each for each in crowd.students if shard_of(slot_of(each.principal.id)) == shard)

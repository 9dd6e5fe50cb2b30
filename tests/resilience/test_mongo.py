"""A shard that does not answer, without saying so, concerns its own users only, and nobody waits for ever."""

import asyncio
import time

import httpx
import pytest

from chassis.ids import slot_of
from chassis.mongo.slots import SlotMap
from ops.faults.model import StoreFault
from ops.seed.people import Member
from ops.stack.topology import SERVICES
from tests.faults.crowd import Crowd
from tests.resilience.asking import ME, disturbed, is_told, metric, read, submit
from tests.stack import Stack, await_true
from tests.waiting import GENEROUS_S

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(300)]

CACHED_S = 10.0 * 1.1
BACK_WITHIN_S = GENEROUS_S


def test_a_shard_that_hangs_is_noticed_by_its_own_users_only_and_is_back_within_seconds(
    stack: Stack, crowd: Crowd, client: httpx.Client
) -> None:
    posted = [*asyncio.run(crowd.post_listings()), *asyncio.run(crowd.post_listings())]
    known, unread = [f"/api/v1/internships/{each}" for each in _on(stack, "s1", posted)[:2]]
    elsewhere = _on(stack, "s2", posted)[0]
    neighbour = _student_on(stack, crowd, "s2")
    assert read(client, known).is_fresh
    with disturbed(stack, "mongo-s1", StoreFault(kind="hang")):
        began = time.monotonic()
        while (stale := read(client, known)).is_fresh:
            assert time.monotonic() - began < CACHED_S + GENEROUS_S, "the cache keeps a listing for too long"
            assert read(client, f"/api/v1/internships/{elsewhere}").is_fresh
            time.sleep(0.2)
        assert (stale.status, stale.answer.headers.get("x-stale")) == (200, "true")
        for path, reader in ((unread, neighbour), (ME, _student_on(stack, crowd, "s1"))):
            refused = read(client, path, member=reader)
            assert is_told(refused), refused.answer.text
        assert read(client, ME, member=neighbour).is_fresh
        assert _breaker(stack, "s1") == 2
        assert _breaker(stack, "s2") == 0
        applied = submit(client, elsewhere, member=neighbour)
        assert applied.status == 200, applied.answer.text
    await_true(lambda: read(client, unread).is_fresh, "a fresh answer", within_s=BACK_WITHIN_S)
    await_true(lambda: read(client, known).is_fresh, "a fresh answer", within_s=BACK_WITHIN_S)
    await_true(lambda: _is_used_by_all(stack), "all services to use the shard", within_s=BACK_WITHIN_S)
    assert _breaker(stack, "s1") == 0


def test_an_application_to_slow_shards_is_slower_and_succeeds(
    stack: Stack, crowd: Crowd, client: httpx.Client
) -> None:
    [listing, *_] = asyncio.run(crowd.post_listings())
    with disturbed(stack, "mongo", StoreFault(kind="delay", delay_s=0.1)):
        for student in crowd.students[:3]:
            applied = submit(client, listing, member=student)
            assert applied.status == 200, applied.answer.text
            assert applied.took_s > 0.1


def _is_used_by_all(stack: Stack) -> bool:
    reports = [httpx.get(f"{stack.ops_url(service)}/ready", trust_env=False).json() for service in SERVICES]
    return all(report["ready"] and not report["degraded"] for report in reports)


def _breaker(stack: Stack, shard: str) -> float:
    return metric(stack, "internship", "breaker_state", dependency=f'mongo/{shard}"')


def _on(stack: Stack, shard: str, ids: list[str]) -> list[str]:
    shard_of = SlotMap.load(stack.topology.slot_map).shard_name
    return [each for each in ids if shard_of(slot_of(each)) == shard]


def _student_on(stack: Stack, crowd: Crowd, shard: str) -> Member:
    shard_of = SlotMap.load(stack.topology.slot_map).shard_name
    return next(each for each in crowd.students if shard_of(slot_of(each.principal.id)) == shard)

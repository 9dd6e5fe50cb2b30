"""A shard that is down concerns its own users only, and those get what was known last."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from chassis.ids import slot_of
from chassis.sharding.slot_map import SlotMap
from tests.faults.user_pool import UserPool, wait_for_recovery
from tests.stack import StackHandle
from tests.waiting import BUSY_MACHINE_MARGIN_S, WAIT_TIMEOUT_S

pytestmark = pytest.mark.timeout(300)

CACHED_S = 10.0 * 1.1
READ_TIMEOUT_S = 1.0 + BUSY_MACHINE_MARGIN_S
"""The deadline that the contract gives a read, and what a busy machine adds."""


@dataclass(frozen=True)
class ListingPaths:
    """Paths of listings: two on the shard that goes down, of which one was read before, and one elsewhere."""

    known: str
    unread: str
    elsewhere: str


@pytest.fixture
def listings(stack: StackHandle, crowd: UserPool) -> ListingPaths:
    shard_of = SlotMap.load(stack.topology.slot_map_file).shard_name
    posted = asyncio.run(crowd.post_listings())
    on_s1 = [each for each in posted if shard_of(slot_of(each)) == "s1"]
    [elsewhere, *_] = [each for each in posted if shard_of(slot_of(each)) == "s2"]
    known, unread, elsewhere = (f"/api/v1/internships/{each}" for each in (*on_s1[:2], elsewhere))
    return ListingPaths(known, unread, elsewhere)


@pytest.fixture
def client(stack: StackHandle, crowd: UserPool) -> Iterator[httpx.Client]:
    """Yield a student's client: the edge keeps anonymous readers' answers longer than this test waits."""
    headers = crowd.students[0].headers
    with httpx.Client(base_url=stack.gateway_url, timeout=WAIT_TIMEOUT_S, headers=headers) as client:
        yield client


def test_when_a_shard_is_down_others_notice_nothing_and_its_readers_get_the_last_answer(
    stack: StackHandle, listings: ListingPaths, client: httpx.Client
) -> None:
    assert client.get(listings.known).status_code == 200
    stack.stop("mongo-s1")
    try:
        time.sleep(CACHED_S)
        for _ in range(20):
            assert is_fresh(get_in_time(client, listings.elsewhere))
        stale = get_in_time(client, listings.known)
        assert (stale.status_code, stale.headers.get("x-stale")) == (200, "true")
        refused = get_in_time(client, listings.unread)
        assert (refused.status_code, refused.headers.get("retry-after")) == (503, "1")
        assert breaker_state(stack, "mongo/s1") == 2
        assert breaker_state(stack, "mongo/s2") == 0
    finally:
        stack.start("mongo-s1")
    wait_for_recovery(lambda: stack.readiness("mongo-s1").ready or None, "the shard to be back")
    wait_for_recovery(lambda: is_fresh(client.get(listings.unread)) or None, "a fresh answer")
    wait_for_recovery(
        lambda: is_fresh(client.get(listings.known)) or None, "a fresh answer in the place of the stale"
    )
    assert breaker_state(stack, "mongo/s1") == 0
    for role in ("serve", "work"):
        stack.await_ready(f"internship-{role}")


def get_in_time(client: httpx.Client, path: str) -> httpx.Response:
    """Return the answer, which has to come in time."""
    began = time.monotonic()
    answer = client.get(path)
    assert time.monotonic() - began < READ_TIMEOUT_S
    return answer


def is_fresh(answer: httpx.Response) -> bool:
    return answer.status_code == 200 and "x-stale" not in answer.headers


def breaker_state(stack: StackHandle, dependency: str) -> float:
    """Return the state that the internship service shows: 0 closed, 2 open."""
    name = f'breaker_state{{dependency="{dependency}"}}'
    metrics = httpx.get(f"{stack.ops_url('internship')}/metrics").text
    [line] = [line for line in metrics.splitlines() if line.startswith(name)]
    return float(line.rpartition(" ")[2])

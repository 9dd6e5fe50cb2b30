"""A shard that is down concerns its own users only, and those get what was known last."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from chassis.ids import slot_of
from chassis.mongo.slots import SlotMap
from tests.faults.crowd import Crowd, awaited
from tests.stack import Stack
from tests.waiting import BUSY_S, GENEROUS_S

pytestmark = pytest.mark.timeout(300)

CACHED_S = 10.0 * 1.1
READ_WITHIN_S = 1.0 + BUSY_S
"""The deadline that the contract gives a read, and what a busy machine adds."""


@dataclass(frozen=True)
class Listings:
    """Paths of listings: two on the shard that goes down, of which one was read before, and one elsewhere."""

    known: str
    unread: str
    elsewhere: str


@pytest.fixture
def listings(stack: Stack, crowd: Crowd) -> Listings:
    shard_of = SlotMap.load(stack.topology.slot_map).shard_name
    posted = asyncio.run(crowd.post_listings())
    on_s1 = [each for each in posted if shard_of(slot_of(each)) == "s1"]
    [elsewhere, *_] = [each for each in posted if shard_of(slot_of(each)) == "s2"]
    known, unread, elsewhere = (f"/api/v1/internships/{each}" for each in (*on_s1[:2], elsewhere))
    return Listings(known, unread, elsewhere)


@pytest.fixture
def client(stack: Stack, crowd: Crowd) -> Iterator[httpx.Client]:
    """A student's, since what strangers read is kept at the edge for longer than this test waits."""
    headers = crowd.students[0].headers
    with httpx.Client(base_url=stack.gateway_url, timeout=GENEROUS_S, headers=headers) as client:
        yield client


def test_when_a_shard_is_down_others_notice_nothing_and_its_readers_get_the_last_answer(
    stack: Stack, listings: Listings, client: httpx.Client
) -> None:
    assert client.get(listings.known).status_code == 200
    stack.stop("mongo-s1")
    try:
        time.sleep(CACHED_S)
        for _ in range(20):
            assert is_fresh(timely(client, listings.elsewhere))
        stale = timely(client, listings.known)
        assert (stale.status_code, stale.headers.get("x-stale")) == (200, "true")
        refused = timely(client, listings.unread)
        assert (refused.status_code, refused.headers.get("retry-after")) == (503, "1")
        assert breaker(stack, "mongo/s1") == 2
        assert breaker(stack, "mongo/s2") == 0
    finally:
        stack.start("mongo-s1")
    awaited(lambda: stack.readiness("mongo-s1").ready or None, "the shard to be back")
    awaited(lambda: is_fresh(client.get(listings.unread)) or None, "a fresh answer")
    awaited(lambda: is_fresh(client.get(listings.known)) or None, "a fresh answer in the place of the stale")
    assert breaker(stack, "mongo/s1") == 0
    for role in ("serve", "work"):
        stack.await_ready(f"internship-{role}")


def timely(client: httpx.Client, path: str) -> httpx.Response:
    """The answer, which did not hang."""
    began = time.monotonic()
    answer = client.get(path)
    assert time.monotonic() - began < READ_WITHIN_S
    return answer


def is_fresh(answer: httpx.Response) -> bool:
    return answer.status_code == 200 and "x-stale" not in answer.headers


def breaker(stack: Stack, dependency: str) -> float:
    """The state that the internship service shows: 0 closed, 2 open."""
    name = f'breaker_state{{dependency="{dependency}"}}'
    metrics = httpx.get(f"{stack.ops_url('internship')}/metrics").text
    [line] = [line for line in metrics.splitlines() if line.startswith(name)]
    return float(line.rpartition(" ")[2])

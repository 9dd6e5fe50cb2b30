"""Twice as many requests as the stack can take: it takes what it can in time and refuses the rest."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import httpx
import pytest

from devstack import binaries
from tests.faults.user_pool import UserPool
from tests.stack import StackHandle
from verify.bench.benchmark_users import sign_in_seeded_users
from verify.bench.overload import run_at_capacity, run_at_rate

pytestmark = [pytest.mark.timeout(200), pytest.mark.thorough]

SECONDS = 30
DEADLINE_S = 2.0
"""What the contract gives a search."""
MAX_LOST_SHARE = 0.01
MAX_SLOWDOWN = 2.0


@pytest.fixture(scope="module", autouse=True)
def load_generator() -> None:
    binaries.install_h2load(print)


def test_at_twice_the_capacity_accepted_requests_end_in_time_and_the_rest_get_a_retry_time(
    stack: StackHandle, crowd: UserPool
) -> None:
    # On the plan that no limit holds up.
    [member] = sign_in_seeded_users(stack.topology, [crowd.students[0].email], plan="ADMIN")
    reader = {"authorization": f"Bearer {member.token}"}
    urls = [f"{stack.gateway_url}/api/v1/internships?q=crowd&pageSize={size}" for size in range(1, 40)]
    sent = [f"{name}: {value}" for name, value in reader.items()]
    run_at_capacity(urls, sent, 2)
    before_s, before = usual_latency_s(urls[0], reader), run_at_capacity(urls, sent, 5).accepted_per_s

    with sampling_client(urls[0], reader) as seen:
        flood = run_at_rate(urls, sent, 2 * before, SECONDS)

    assert flood.latency_s(0.99) < DEADLINE_S
    assert flood.accepted_per_s > before / 4
    assert flood.refused_share > 0.1, "the load was none"
    assert sum(flood.lost.values()) <= MAX_LOST_SHARE * flood.statuses.total(), flood.lost
    refused = [answer for answer in seen if answer.status_code in (429, 503)]
    assert refused
    for answer in refused:
        assert int(answer.headers["retry-after"]) >= 1
        assert reason_of(answer) in ("OVERLOADED", "UNAVAILABLE")
    assert usual_latency_s(urls[0], reader) < MAX_SLOWDOWN * before_s + 0.02
    assert run_at_capacity(urls, sent, 5).accepted_per_s > before / MAX_SLOWDOWN


def usual_latency_s(url: str, headers: dict[str, str]) -> float:
    """Return the median of some searches, one after the other."""
    taken = []
    with httpx.Client(headers=headers, timeout=10.0) as client:
        for _ in range(30):
            began = time.monotonic()
            client.get(url).raise_for_status()
            taken.append(time.monotonic() - began)
    return median(taken)


@contextmanager
def sampling_client(url: str, headers: dict[str, str]) -> Iterator[list[httpx.Response]]:
    """Yield the answers that one more client gets at the same time, a few times a second."""
    answers: list[httpx.Response] = []
    over = threading.Event()

    def look() -> None:
        with httpx.Client(headers=headers, timeout=10.0) as client:
            while not over.wait(0.1):
                answers.append(client.get(url))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield answers
    finally:
        over.set()
        looking.join()


def reason_of(answer: httpx.Response) -> str:
    [reason] = [detail["reason"] for detail in answer.json()["details"] if "reason" in detail]
    return str(reason)

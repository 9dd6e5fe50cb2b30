"""Clients of a service that fails or is slow get an answer in time, and why; nothing is left half done."""

import asyncio
import uuid
from collections import Counter

import httpx
import pytest

from chassis.concurrency.circuit_breaker import BreakerPolicy
from devstack.seed.signed_in_users import SignedInUser
from gateway.xds.mesh import AbortFault, DelayFault, ServiceFault
from tests.faults.user_pool import UserPool, list_all_pages
from tests.resilience.timed_requests import ME, fault_in_force, is_readable_error, read_timed, submit_timed
from tests.stack import StackHandle, wait_until_blocking
from tests.waiting import WAIT_TIMEOUT_S

pytestmark = pytest.mark.thorough

READS = 100
RECOVERY_TIMEOUT_S = BreakerPolicy().open_duration_s + WAIT_TIMEOUT_S


@pytest.mark.parametrize(("percent", "least", "most"), [(30, 10, 55), (100, READS, READS)])
def test_a_share_of_the_reads_of_a_failing_service_is_refused_with_a_reason(
    stack: StackHandle, client: httpx.Client, percent: int, least: int, most: int
) -> None:
    assert read_timed(client, ME).is_fresh
    with fault_in_force(stack, "user", ServiceFault(abort=AbortFault(percent=percent))):
        answers = [read_timed(client, ME) for _ in range(READS)]
    refused = [each for each in answers if not each.is_fresh]
    assert least <= len(refused) <= most, Counter(each.status for each in answers)
    assert all(is_readable_error(each) and each.status == 503 for each in refused)
    assert read_timed(client, ME).is_fresh


@pytest.mark.parametrize(
    "fault",
    [ServiceFault(abort=AbortFault()), ServiceFault(delay=DelayFault(duration_s=30))],
    ids=["failing", "too slow"],
)
def test_an_application_that_needs_a_failing_service_is_refused_and_succeeds_once_when_it_is_well_again(
    stack: StackHandle, crowd: UserPool, client: httpx.Client, fault: ServiceFault
) -> None:
    [listing, *_] = asyncio.run(crowd.post_listings())
    student, key = crowd.students[1], str(uuid.uuid4())
    before = _applications(crowd)
    with fault_in_force(stack, "user", fault):
        for _ in range(3):
            refused = submit_timed(client, listing, member=student, key=key)
            assert is_readable_error(refused), refused.answer.text
        assert _applications(crowd) == before
    first = wait_until_blocking(
        lambda: _applied(client, listing, student, key), "an answer", within_s=RECOVERY_TIMEOUT_S
    )
    assert submit_timed(client, listing, member=student, key=key).answer.json()["id"] == first
    assert _applications(crowd) == before + 1


def _applied(client: httpx.Client, listing: str, student: SignedInUser, key: str) -> str:
    """Return the application's ID; until the breaker tries again the answer is a readable error."""
    applied = submit_timed(client, listing, member=student, key=key)
    assert applied.status == 200 or is_readable_error(applied), applied.answer.text
    return str(applied.answer.json()["id"]) if applied.status == 200 else ""


def test_applications_while_a_service_fails_now_and_then_are_stored_or_refused(
    stack: StackHandle, crowd: UserPool, client: httpx.Client
) -> None:
    listings = asyncio.run(crowd.post_listings())
    before = _applications(crowd)
    with fault_in_force(stack, "user", ServiceFault(abort=AbortFault(percent=30))):
        answers = [submit_timed(client, listing, member=crowd.students[1]) for listing in listings]
    stored = [each for each in answers if each.status == 200]
    assert all(is_readable_error(each) for each in answers if each not in stored)
    assert _applications(crowd) == before + len(stored)


def test_a_read_of_a_service_that_is_too_slow_ends_at_its_deadline(
    stack: StackHandle, client: httpx.Client
) -> None:
    with fault_in_force(stack, "user", ServiceFault(delay=DelayFault(duration_s=30))):
        refused = read_timed(client, ME)
    assert (refused.status, refused.reason) == (504, "DEADLINE_EXCEEDED")
    assert read_timed(client, ME).is_fresh


def _applications(crowd: UserPool) -> int:
    return len(list_all_pages(crowd, crowd.students[1], "/api/v1/applications"))

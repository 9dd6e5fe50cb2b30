"""Clients of a service that fails or is slow are told in time, and why; nothing is left half done."""

import asyncio
import uuid
from collections import Counter

import httpx
import pytest

from chassis.breaker import OPEN_S
from gateway.control_plane.mesh import Abort, Delay, Fault
from ops.seed.people import Member
from tests.faults.crowd import Crowd, all_pages
from tests.resilience.asking import ME, disturbed, is_told, read, submit
from tests.stack import Stack, await_true
from tests.waiting import GENEROUS_S

pytestmark = pytest.mark.thorough

READS = 100
BACK_WITHIN_S = OPEN_S + GENEROUS_S


@pytest.mark.parametrize(("percent", "least", "most"), [(30, 10, 55), (100, READS, READS)])
def test_a_share_of_the_reads_of_a_failing_service_is_refused_with_a_reason(
    stack: Stack, client: httpx.Client, percent: int, least: int, most: int
) -> None:
    assert read(client, ME).is_fresh
    with disturbed(stack, "user", Fault(abort=Abort(percent=percent))):
        answers = [read(client, ME) for _ in range(READS)]
    refused = [each for each in answers if not each.is_fresh]
    assert least <= len(refused) <= most, Counter(each.status for each in answers)
    assert all(is_told(each) and each.status == 503 for each in refused)
    assert read(client, ME).is_fresh


@pytest.mark.parametrize(
    "fault", [Fault(abort=Abort()), Fault(delay=Delay(duration_s=30))], ids=["failing", "too slow"]
)
def test_an_application_that_needs_a_failing_service_is_refused_and_succeeds_once_when_it_is_well_again(
    stack: Stack, crowd: Crowd, client: httpx.Client, fault: Fault
) -> None:
    [listing, *_] = asyncio.run(crowd.post_listings())
    student, key = crowd.students[1], str(uuid.uuid4())
    before = _applications(crowd)
    with disturbed(stack, "user", fault):
        for _ in range(3):
            refused = submit(client, listing, member=student, key=key)
            assert is_told(refused), refused.answer.text
        assert _applications(crowd) == before
    first = await_true(lambda: _applied(client, listing, student, key), "an answer", within_s=BACK_WITHIN_S)
    assert submit(client, listing, member=student, key=key).answer.json()["id"] == first
    assert _applications(crowd) == before + 1


def _applied(client: httpx.Client, listing: str, student: Member, key: str) -> str:
    """The application's ID; until the breaker tries again there is a readable error in its place."""
    applied = submit(client, listing, member=student, key=key)
    assert applied.status == 200 or is_told(applied), applied.answer.text
    return str(applied.answer.json()["id"]) if applied.status == 200 else ""


def test_applications_while_a_service_fails_now_and_then_are_stored_or_refused(
    stack: Stack, crowd: Crowd, client: httpx.Client
) -> None:
    listings = asyncio.run(crowd.post_listings())
    before = _applications(crowd)
    with disturbed(stack, "user", Fault(abort=Abort(percent=30))):
        answers = [submit(client, listing, member=crowd.students[1]) for listing in listings]
    stored = [each for each in answers if each.status == 200]
    assert all(is_told(each) for each in answers if each not in stored)
    assert _applications(crowd) == before + len(stored)


def test_a_read_of_a_service_that_is_too_slow_ends_at_its_deadline(
    stack: Stack, client: httpx.Client
) -> None:
    with disturbed(stack, "user", Fault(delay=Delay(duration_s=30))):
        refused = read(client, ME)
    assert (refused.status, refused.reason) == (504, "DEADLINE_EXCEEDED")
    assert read(client, ME).is_fresh


def _applications(crowd: Crowd) -> int:
    return len(all_pages(crowd, crowd.students[1], "/api/v1/applications"))

"""A primary that dies is replaced: readers notice nothing, and writers wait a moment at most."""

import asyncio
import sys
import time
import uuid
from typing import Any, Final

import httpx
import pytest

from tests.faults.user_pool import UserPool
from tests.resilience.background_load import steady_load
from tests.stack import StackHandle, wait_until_blocking
from tests.workload import running_workload

pytestmark = [pytest.mark.timeout(600), pytest.mark.thorough]

MEMBERS: Final = ("mongo-s1-1", "mongo-s1-2", "mongo-s1-3")
KILL_INTERVAL_S: Final = 20.0
RUN_S: Final = 180.0
READS_PER_SECOND: Final = 30
WRITES_PER_SECOND: Final = 10
MAX_FAILED_SHARE: Final = 0.001
MIN_OPERATIONS: Final = 2000


def test_no_read_fails_while_a_primary_is_killed_and_replaced(stack: StackHandle, crowd: UserPool) -> None:
    [listing, *_] = asyncio.run(crowd.post_listings())
    paths = ("/api/v1/users/me", f"/api/v1/internships/{listing}", "/api/v1/internships?q=crowd")

    def reading(number: int) -> dict[str, Any]:
        headers = crowd.students[number % len(crowd.students)].headers
        return {"method": "GET", "url": paths[number % len(paths)], "headers": headers}

    with steady_load(stack, stack.topology.regions[0], reading, READS_PER_SECOND) as load:
        load.await_more(READS_PER_SECOND)
        before = kill_primary(stack)
        wait_until_blocking(lambda: primary(stack) not in (None, before), "a new primary", within_s=30)
        load.await_more(5 * READS_PER_SECOND)
    assert load.failures == [], str(load)
    stack.await_ready(before)


def test_a_write_that_meets_an_election_waits_for_its_end(stack: StackHandle, crowd: UserPool) -> None:
    listings = iter(asyncio.run(crowd.post_listings()))
    pairs = iter([(student, each) for each in listings for student in crowd.students])

    def applying(_number: int) -> dict[str, Any]:
        student, listing = next(pairs)
        headers = student.headers | {"idempotency-key": str(uuid.uuid4())}
        body = {"internshipId": listing}
        return {"method": "POST", "url": "/api/v1/applications", "json": body, "headers": headers}

    with steady_load(stack, stack.topology.regions[0], applying, WRITES_PER_SECOND) as load:
        load.await_more(WRITES_PER_SECOND)
        before = kill_primary(stack)
        wait_until_blocking(lambda: primary(stack) not in (None, before), "a new primary", within_s=30)
        load.await_more(5 * WRITES_PER_SECOND)
    assert load.failing_for_s < 3.0, str(load)
    stack.await_ready(before)


def test_nothing_is_lost_and_hardly_anything_fails_while_primaries_are_killed_again_and_again(
    stack: StackHandle,
) -> None:
    with running_workload(stack) as work:
        began = time.monotonic()
        while time.monotonic() - began < RUN_S:
            time.sleep(KILL_INTERVAL_S)
            wait_until_blocking(lambda: primary(stack), "a primary to kill", within_s=60)
            kill_primary(stack)

    operations = [operation for operation in work.operation_log.operations if operation.who]
    failed = [
        operation
        for operation in operations
        if not operation.answer or operation.answer >= httpx.codes.INTERNAL_SERVER_ERROR
    ]
    sys.stdout.write(
        f"{len(operations)} operations, {len(failed)} failed after retries; "
        f"{dict(work.operation_log.call_counts)}\n"
    )
    assert work.violations() == []
    assert len(failed) < len(operations) * MAX_FAILED_SHARE
    assert len(operations) > MIN_OPERATIONS


def primary(stack: StackHandle) -> str | None:
    """Return the member that is the primary; None while there is none."""
    return next((each for each in MEMBERS if stack.readiness(each).detail == "primary"), None)


def kill_primary(stack: StackHandle) -> str:
    """Kill the primary, and return its name."""
    found = primary(stack)
    assert found is not None
    stack.kill(found)
    return found

"""Two regions: when the services of one are gone the other answers for it, and work is done once."""

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from devstack import process_control
from devstack.journey.client import Json
from devstack.process import StackProcess
from devstack.region import StackRegion
from devstack.seed.signed_in_users import SignedInUser
from devstack.stack import Stack as RunningStack
from ops.progress import StepProgress
from ops.provision import count_waiting_messages
from tests.faults.user_pool import UserPool, wait_for_recovery
from tests.resilience.background_load import (
    LoadResult,
    count_answered_calls,
    count_handled_events,
    steady_load,
)
from tests.stack import StackHandle, wait_until_blocking
from tests.waiting import BUSY_MACHINE_MARGIN_S

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(300)]

MAX_ERRORS_S = BUSY_MACHINE_MARGIN_S
TakeAway = Callable[[RunningStack, Sequence[StackProcess], StepProgress], None]
READ = ("GetMe", "ListInternships", "ListMyApplications")


def reads_of(crowd: UserPool) -> Callable[[int], dict[str, Any]]:
    """Return the reads of signed-in students and of visitors; no two of them are the same."""

    def read(number: int) -> dict[str, Any]:
        headers = crowd.students[number % len(crowd.students)].headers
        if number % 3 == 0:
            return {
                "method": "GET",
                "url": "/api/v1/internships",
                "params": {"city": f"City {uuid.uuid4().hex}"},
            }
        path = "/api/v1/users/me" if number % 3 == 1 else "/api/v1/applications"
        return {"method": "GET", "url": path, "headers": headers}

    return read


@contextmanager
def processes_down(
    stack: StackHandle, processes: Sequence[StackProcess], take_away: TakeAway
) -> Iterator[None]:
    """Stop these processes until the block ends; then start them and wait until they are ready."""
    running = RunningStack.assemble(stack.topology)
    try:
        take_away(running, processes, StepProgress())
        yield
    finally:
        process_control.start_processes_in_turn(running, processes, StepProgress())


def services_of(stack: StackHandle, region: StackRegion) -> list[StackProcess]:
    return RunningStack.assemble(stack.topology).services_of(region)


def await_only(load: LoadResult, here: StackRegion, elsewhere: StackRegion) -> None:
    """Return when the calls of the load are answered in one region, and none of them in the other."""

    def look() -> bool:
        before = count_answered_calls(here, *READ), count_answered_calls(elsewhere, *READ)
        load.await_more(40)
        return (
            count_answered_calls(here, *READ) >= before[0] + 30
            and count_answered_calls(elsewhere, *READ) == before[1]
        )

    wait_until_blocking(look, f"all calls to be answered in {here.name}")


def test_when_a_regions_services_are_killed_the_other_answers_within_a_second_and_gives_back_what_it_took(
    stack: StackHandle, crowd: UserPool
) -> None:
    here, elsewhere = stack.topology.regions
    with steady_load(stack, here, reads_of(crowd)) as load:
        await_only(load, here, elsewhere)
        with processes_down(stack, services_of(stack, here), process_control.kill_processes):
            await_only(load, elsewhere, here)
            assert load.failing_for_s <= MAX_ERRORS_S, str(load)
            failed = len(load.failures)
        await_only(load, here, elsewhere)
    assert len(load.failures) == failed, str(load)


def test_no_call_fails_when_a_regions_services_are_stopped_and_started(
    stack: StackHandle, crowd: UserPool
) -> None:
    here, elsewhere = stack.topology.regions
    with steady_load(stack, here, reads_of(crowd)) as load:
        await_only(load, here, elsewhere)
        with processes_down(stack, services_of(stack, here), process_control.stop_processes):
            await_only(load, elsewhere, here)
        await_only(load, here, elsewhere)
    assert load.failures == [], str(load)


def test_services_go_on_with_the_other_regions_when_their_neighbour_is_killed(
    stack: StackHandle, crowd: UserPool
) -> None:
    here, elsewhere = stack.topology.regions
    listings = [*asyncio.run(crowd.post_listings()), *asyncio.run(crowd.post_listings())]
    neighbour = RunningStack.assemble(stack.topology).find_process("user-serve")
    read_elsewhere = count_answered_calls(elsewhere, "BatchGetStudentSnapshots")
    pairs = [(student, listing) for listing in listings for student in crowd.students]

    def submit(number: int) -> dict[str, Any]:
        student, listing = pairs[number]
        return submission(student, listing)

    with steady_load(stack, here, submit, per_second=20) as load:
        load.await_more(20)
        submitted_here = count_answered_calls(here, "SubmitApplication")
        with processes_down(stack, [neighbour], process_control.kill_processes):
            load.await_more(60)
            assert count_answered_calls(here, "SubmitApplication") >= submitted_here + 60
            assert count_answered_calls(elsewhere, "BatchGetStudentSnapshots") > read_elsewhere
            assert load.failing_for_s <= MAX_ERRORS_S, str(load)
            failed = len(load.failures)
        load.await_more(20)
    assert len(load.failures) == failed, str(load)


def submission(student: SignedInUser, listing: str) -> dict[str, Any]:
    headers = student.headers | {"idempotency-key": str(uuid.uuid4())}
    return {
        "method": "POST",
        "url": "/api/v1/applications",
        "json": {"internshipId": listing},
        "headers": headers,
    }


def test_the_workers_of_both_regions_share_the_events_and_each_has_its_effect_once(
    stack: StackHandle, fresh_users: UserPool
) -> None:
    before = {
        region.name: count_handled_events(region, "notification-dispatch")
        for region in stack.topology.regions
    }
    listings = asyncio.run(fresh_users.post_listings())[:2]
    asyncio.run(_apply_at_both_gateways(fresh_users, listings))

    for owner, listing in zip(fresh_users.owners, listings, strict=False):
        wait_for_recovery(lambda: _are_counted(fresh_users, owner, listing), f"the figures of {listing}")  # noqa: B023
    expected = Counter({student.email: len(listings) for student in fresh_users.students})
    wait_for_recovery(lambda: _mailed(fresh_users).total() >= expected.total() or None, "the mails")
    wait_for_recovery(
        lambda: count_waiting_messages(stack.cluster) == 0 or None,
        "all events to be handled",
    )
    assert _mailed(fresh_users) == expected
    for region in stack.topology.regions:
        assert count_handled_events(region, "notification-dispatch") > before[region.name]


async def _apply_at_both_gateways(crowd: UserPool, listings: list[str]) -> None:
    topology = crowd.stack.topology
    urls = [topology.region_url(region) for region in topology.regions]
    async with httpx.AsyncClient(verify=crowd.stack.trust, timeout=20.0, trust_env=False) as client:

        async def apply(number: int, student: SignedInUser, listing: str) -> None:
            request = submission(student, listing)
            answer = await client.request(**request | {"url": urls[number % 2] + request["url"]})
            assert answer.is_success, answer.text

        pairs = [(student, listing) for student in crowd.students for listing in listings]
        for start in range(0, len(pairs), 20):
            batch = enumerate(pairs[start : start + 20])
            await asyncio.gather(*(apply(number, *pair) for number, pair in batch))


def _are_counted(crowd: UserPool, owner: SignedInUser, listing: str) -> bool | None:
    funnel = crowd.get(owner, f"/api/v1/analytics/internships/{listing}/funnel")
    assert funnel["applications"] <= len(crowd.students), "counted twice"
    return funnel["applications"] == len(crowd.students) or None


def _mailed(crowd: UserPool) -> Counter[str]:
    """Return the number of mails of each student."""
    url = f"{crowd.stack.mailbox_url}/mails"
    answer = httpx.get(url, params={"limit": 5000}, timeout=10.0, trust_env=False)
    mails: list[Json] = answer.raise_for_status().json()["mails"]
    students = {student.email for student in crowd.students}
    return Counter(to for mail in mails for to in mail["to"] if to in students)

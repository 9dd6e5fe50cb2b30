"""What a student's own copy holds of applications."""

from typing import Any, cast

import orjson

from chassis.call_context import Principal, acting_as
from chassis.page_tokens import PageTokens
from internshipconnect.common.v1 import personal_data_pb2 as pb
from services.application.personal_data_api import build_personal_data_servicer
from tests.integration.application.harness import ApplicationHarness

NOTHING = cast(Any, None)
COLLECTOR = Principal("user", "SERVICE")


async def listed(world: ApplicationHarness, user_id: str) -> list[dict[str, Any]]:
    """Return all records of a person, over all pages."""
    servicer = build_personal_data_servicer(world.store, PageTokens(bytes(32)), world.clock)
    request, found = pb.ListPersonalDataRequest(user_id=user_id), []
    with acting_as(COLLECTOR):
        while True:
            page = await servicer.ListPersonalData(request, NOTHING)
            assert {each.collection for each in page.records} <= {"applications"}
            found += [orjson.loads(each.json) for each in page.records]
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token


async def test_every_application_is_listed_once_with_the_profile_that_was_sent(
    world: ApplicationHarness,
) -> None:
    student, other = world.student(), world.student()
    submitted = [(await world.submit(student, world.listing().id)).id for _ in range(21)]
    await world.submit(other, world.listing().id)
    found = await listed(world, student.id)
    assert sorted(each["id"] for each in found) == sorted(submitted)
    assert all(each["sentName"] and "sentProfile" in each for each in found)


async def test_a_rejection_that_is_not_disclosed_yet_is_no_part_of_a_copy(world: ApplicationHarness) -> None:
    student = world.student()
    submitted = await world.submit(student, world.listing().id)
    await world.move(world.member(), submitted.id, "REJECTED")
    [found] = await listed(world, student.id)
    text = orjson.dumps(found).decode()
    assert "REJECTED" not in text and "NOT_SELECTED" not in text


async def test_somebody_without_applications_has_none(world: ApplicationHarness) -> None:
    assert await listed(world, world.student().id) == []

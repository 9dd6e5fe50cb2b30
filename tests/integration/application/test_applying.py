"""Applying, once, however often it is tried."""

import asyncio

import pytest

from chassis.errors import DomainError
from internshipconnect.application.v1 import application_pb2 as pb
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.internship.v1 import internship_pb2 as internship
from internshipconnect.user.v1 import user_pb2 as user
from tests.integration.application.harness import ApplicationHarness, reason_of


async def test_an_application_is_stored_together_with_its_event(world: ApplicationHarness) -> None:
    student, listing = world.student(), world.listing()
    submitted = await world.submit(student, listing.id)
    assert submitted.status == pb.STUDENT_STATUS_RECEIVED
    assert submitted.internship_title == "Backend intern"
    assert (await world.get(student, submitted.id)) == submitted
    [event] = await world.events_of(submitted.id)
    assert isinstance(event, events.ApplicationSubmitted)
    assert (event.application.student_name, event.application.version) == ("Ada", 1)


async def test_fifty_concurrent_submits_of_one_student_make_one_application(
    world: ApplicationHarness,
) -> None:
    student, listing = world.student(), world.listing()
    outcomes = await asyncio.gather(
        *(world.submit(student, listing.id) for _ in range(50)), return_exceptions=True
    )
    [made] = [outcome for outcome in outcomes if isinstance(outcome, pb.Application)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, DomainError)]
    assert {error.reason for error in refused} == {"ALREADY_APPLIED"}
    assert {error.resource for error in refused} == {("application", made.id)}
    assert len(await world.events_of(made.id)) == 1


async def test_many_applicants_at_once_read_the_listing_a_few_times_only(world: ApplicationHarness) -> None:
    listing = world.listing()
    await asyncio.gather(*(world.submit(world.student(), listing.id) for _ in range(50)))
    assert world.internships.reads < 20


async def test_a_repeat_under_the_same_key_returns_the_first_answer(world: ApplicationHarness) -> None:
    student, listing = world.student(), world.listing()
    first = await world.submit(student, listing.id, "one")
    assert await world.submit(student, listing.id, "one") == first
    assert len(await world.events_of(first.id)) == 1


async def test_a_repeat_returns_the_first_answer_though_the_listing_has_closed(
    world: ApplicationHarness,
) -> None:
    student, listing = world.student(), world.listing()
    first = await world.submit(student, listing.id, "one")
    listing.open_for_applications = False
    assert await world.submit(student, listing.id, "one") == first


async def test_a_repeat_returns_the_first_answer_though_the_application_is_withdrawn(
    world: ApplicationHarness,
) -> None:
    student, listing = world.student(), world.listing()
    first = await world.submit(student, listing.id, "one")
    request = pb.WithdrawApplicationRequest(application_id=first.id)
    await world.call(student, world.servicer.WithdrawApplication, request)
    assert await world.submit(student, listing.id, "one") == first
    assert [each.id for each in await world.store.list_of_student(student.id, None, 10)] == [first.id]


async def test_a_key_that_was_used_for_another_submit_is_refused_and_changes_nothing(
    world: ApplicationHarness,
) -> None:
    student, listing, other = world.student(), world.listing(), world.listing()
    first = await world.submit(student, listing.id, "one")
    for listing_id, letter in ((other.id, ""), (listing.id, "Dear all")):
        refused = world.submit(student, listing_id, "one", letter)
        assert await reason_of(refused) == "IDEMPOTENCY_KEY_REUSED"
    assert [each.id for each in await world.store.list_of_student(student.id, None, 10)] == [first.id]


async def test_a_refused_submit_may_be_put_right_under_its_key(world: ApplicationHarness) -> None:
    student, listing = world.student(), world.listing()
    listing.open_for_applications = False
    assert await reason_of(world.submit(student, listing.id, "one")) == "INTERNSHIP_NOT_OPEN"
    listing.open_for_applications = True
    submitted = await world.submit(student, listing.id, "one", "Dear all")
    assert submitted.status == pb.STUDENT_STATUS_RECEIVED


async def test_two_runs_of_one_key_at_once_make_one_application(world: ApplicationHarness) -> None:
    student, listing = world.student(), world.listing()
    runs = await asyncio.gather(*(world.submit(student, listing.id, "one") for _ in range(20)))
    assert len({run.id for run in runs}) == 1
    assert len(await world.events_of(runs[0].id)) == 1


async def test_one_may_apply_again_after_withdrawing(world: ApplicationHarness) -> None:
    student, listing = world.student(), world.listing()
    first = await world.submit(student, listing.id)
    request = pb.WithdrawApplicationRequest(application_id=first.id)
    await world.call(student, world.servicer.WithdrawApplication, request)
    second = await world.submit(student, listing.id)
    assert second.id != first.id


async def test_one_may_not_apply_again_after_a_rejection(world: ApplicationHarness) -> None:
    student, listing = world.student(), world.listing()
    first = await world.submit(student, listing.id)
    await world.move(world.member(), first.id, "REJECTED")
    assert await reason_of(world.submit(student, listing.id)) == "ALREADY_APPLIED"


async def test_a_pause_counts_for_the_very_next_submit(world: ApplicationHarness) -> None:
    listing = world.listing()
    await world.submit(world.student(), listing.id)
    listing.state = internship.INTERNSHIP_STATE_PAUSED
    listing.open_for_applications = False
    assert await reason_of(world.submit(world.student(), listing.id)) == "INTERNSHIP_NOT_OPEN"


async def test_an_unknown_listing_is_not_found(world: ApplicationHarness) -> None:
    listing = world.listing()
    del world.internships.listings[listing.id]
    assert await reason_of(world.submit(world.student(), listing.id)) == "INTERNSHIP_NOT_FOUND"


async def test_a_missing_answer_is_named(world: ApplicationHarness) -> None:
    question = internship.Question(id="why", kind=internship.QUESTION_KIND_TEXT, text="Why?", required=True)
    listing = world.listing(questions=[question])
    with pytest.raises(DomainError) as refusal:
        await world.submit(world.student(), listing.id)
    assert refusal.value.reason == "ANSWERS_INCOMPLETE"
    assert [violation.field for violation in refusal.value.violations] == ["answers"]


async def test_the_company_gets_the_frozen_profile_without_what_is_the_students_own(
    world: ApplicationHarness,
) -> None:
    world.users.blocked = ("cmp_01JD0000000000000000000000",)
    submitted = await world.submit(world.student(), world.listing().id)
    seen = await world.get(world.member("VIEWER"), submitted.id)
    assert seen.applicant.profile == user.StudentProfile(headline="Maths")
    assert (seen.applicant.name, seen.applicant.email) == ("Ada", "ada@example.org")


async def test_a_student_pages_through_the_own_applications_newest_first(world: ApplicationHarness) -> None:
    student = world.student()
    made = [(await world.submit(student, world.listing().id)).id for _ in range(5)]
    await world.submit(world.student(), world.listing().id)
    seen, token = [], ""
    while True:
        request = pb.ListMyApplicationsRequest(page_size=2, page_token=token)
        page = await world.call(student, world.servicer.ListMyApplications, request)
        seen += [application.id for application in page.data]
        token = page.next_page_token
        if not token:
            break
    assert seen == sorted(made, reverse=True)

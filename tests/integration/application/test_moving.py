"""The company moves, the student leaves: by right, once, and seen as each may see it."""

import asyncio
from datetime import timedelta

from internshipconnect.application.v1 import application_pb2 as pb
from internshipconnect.events.v1 import events_pb2 as events
from tests.integration.application.harness import POLICY, ApplicationHarness, key, reason_of


def statuses(application: pb.Application) -> list[str]:
    names = [pb.StudentStatus.Name(entry.status) for entry in application.history]
    return [name.removeprefix("STUDENT_STATUS_") for name in names]


async def test_the_companys_first_look_moves_to_in_review_once(world: ApplicationHarness) -> None:
    submitted = await world.submit(world.student(), world.listing().id)
    looks = await asyncio.gather(*(world.get(world.member("RECRUITER"), submitted.id) for _ in range(10)))
    assert {look.state for look in looks} == {pb.APPLICATION_STATE_IN_REVIEW}
    [_, moved] = await world.events_of(submitted.id)
    assert isinstance(moved, events.ApplicationMoved)
    assert moved.first_response


async def test_a_viewers_look_moves_nothing_and_offers_no_moves(world: ApplicationHarness) -> None:
    submitted = await world.submit(world.student(), world.listing().id)
    seen = await world.get(world.member("VIEWER"), submitted.id)
    assert (seen.state, list(seen.allowed_moves)) == (pb.APPLICATION_STATE_SUBMITTED, [])


async def test_nobody_elses_application_can_be_seen_or_moved(world: ApplicationHarness) -> None:
    submitted = await world.submit(world.student(), world.listing().id)
    elsewhere = world.member(company_id="cmp_01JD0000000000000000000000")
    for outsider in (world.student(), elsewhere):
        assert await reason_of(world.get(outsider, submitted.id)) == "APPLICATION_NOT_FOUND"
    assert await reason_of(world.move(elsewhere, submitted.id, "IN_REVIEW")) == "APPLICATION_NOT_FOUND"


async def test_of_twenty_moves_with_the_same_etag_one_wins(world: ApplicationHarness) -> None:
    member = world.member()
    submitted = await world.submit(world.student(), world.listing().id)
    read = await world.get(member, submitted.id)
    reasons = await asyncio.gather(
        *(reason_of(world.move(member, read.id, "SHORTLISTED", etag=read.etag)) for _ in range(20))
    )
    assert sorted(reasons) == [""] + ["STALE_ETAG"] * 19


async def test_a_move_from_an_expected_state_that_has_passed_is_refused(world: ApplicationHarness) -> None:
    submitted = await world.submit(world.student(), world.listing().id)
    await world.move(world.member(), submitted.id, "SHORTLISTED")
    move = world.move(world.member(), submitted.id, "REJECTED", expected_state="APPLICATION_STATE_SUBMITTED")
    assert await reason_of(move) == "UNEXPECTED_STATE"


async def test_a_move_repeated_after_a_crash_returns_the_application_as_it_is(
    world: ApplicationHarness,
) -> None:
    member = world.member()
    submitted = await world.submit(world.student(), world.listing().id)
    expected = {"expected_state": "APPLICATION_STATE_SUBMITTED"}
    first = await world.move(member, submitted.id, "SHORTLISTED", operation=key("m"), **expected)
    again = await world.move(member, submitted.id, "SHORTLISTED", operation=key("m", replay=True), **expected)
    assert again == first


async def test_notes_and_states_are_the_companys_and_statuses_the_students(world: ApplicationHarness) -> None:
    student = world.student()
    submitted = await world.submit(student, world.listing().id)
    company = await world.move(world.member(), submitted.id, "SHORTLISTED", note="strong in maths")
    assert company.history[-1].note == "strong in maths"
    seen = await world.get(student, submitted.id)
    assert "strong in maths" not in str(seen)
    assert (seen.state, seen.applicant.name, list(seen.allowed_moves)) == (0, "", [])
    assert not any(entry.actor_id or entry.to or getattr(entry, "from") for entry in seen.history)


async def test_a_rejection_undone_in_its_delay_leaves_nothing_for_the_student_to_see(
    world: ApplicationHarness,
) -> None:
    student, member = world.student(), world.member()
    submitted = await world.submit(student, world.listing().id)
    await world.move(member, submitted.id, "IN_REVIEW", "INTERVIEW")
    before = await world.get(student, submitted.id)
    world.clock.advance(timedelta(minutes=1))
    await world.move(member, submitted.id, "REJECTED")
    assert await world.get(student, submitted.id) == before
    world.clock.advance(timedelta(minutes=1))
    await world.move(member, submitted.id, "INTERVIEW")
    world.clock.advance(timedelta(days=1))
    assert await world.get(student, submitted.id) == before


async def test_a_hidden_move_does_not_make_the_students_etag_stale(world: ApplicationHarness) -> None:
    student = world.student()
    submitted = await world.submit(student, world.listing().id)
    await world.move(world.member(), submitted.id, "IN_REVIEW")
    read = await world.get(student, submitted.id)
    await world.move(world.member(), submitted.id, "SHORTLISTED")
    request = pb.WithdrawApplicationRequest(application_id=submitted.id, etag=read.etag)
    withdrawn = await world.call(student, world.servicer.WithdrawApplication, request)
    assert statuses(withdrawn) == ["RECEIVED", "IN_REVIEW", "WITHDRAWN"]
    assert await reason_of(world.call(student, world.servicer.WithdrawApplication, request)) == "STALE_ETAG"


async def test_a_declined_offer_is_a_withdrawal(world: ApplicationHarness) -> None:
    student = world.student()
    offered = await world.offered(student, world.listing().id)
    request = pb.DeclineOfferRequest(application_id=offered.id)
    declined = await world.call(student, world.servicer.DeclineOffer, request)
    assert declined.status == pb.STUDENT_STATUS_WITHDRAWN
    assert not declined.HasField("offer_expire_time")


async def test_reopening_beside_a_newer_application_of_the_student_is_refused(
    world: ApplicationHarness,
) -> None:
    student, listing = world.student(), world.listing()
    first = await world.submit(student, listing.id)
    world.clock.advance(timedelta(days=30) + POLICY.response_grace)
    await world.settling.settle_due()
    await world.submit(student, listing.id)
    assert await reason_of(world.move(world.member(), first.id, "SUBMITTED")) == "ALREADY_APPLIED"

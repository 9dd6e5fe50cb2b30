"""Documents that are sent with applications, and looks of companies that the student learns of."""

import asyncio
from datetime import timedelta

import pytest

from chassis.call_context import Principal
from chassis.errors import DomainError
from chassis.ids import new_id
from internshipconnect.application.v1 import application_pb2 as pb
from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.user.v1 import documents_pb2 as documents
from internshipconnect.user.v1 import profiles_pb2 as profiles
from services.application.domain.model import ApplicationState
from services.application.repository import ApplicationLookRepository
from services.application.repository.collections import APPLICATION_LOOKS
from tests.integration.application.harness import ApplicationHarness, reason_of

APPLICATION, DOCUMENT = profiles.PROFILE_ACCESS_KIND_APPLICATION, profiles.PROFILE_ACCESS_KIND_DOCUMENT


@pytest.fixture
def student(world: ApplicationHarness) -> Principal:
    return world.student()


async def test_documents_are_frozen_with_the_application_and_shown_to_both_sides(
    world: ApplicationHarness, student: Principal
) -> None:
    sent = [world.document(student), world.document(student)]
    submitted = await world.submit(student, world.listing().id, document_ids=sent)
    assert world.document_service.holds == {submitted.id: sent}
    assert submitted.documents[0] == pb.ApplicationDocument(
        document_id=sent[0],
        version=2,
        kind=documents.DOCUMENT_KIND_RESUME,
        name="Resume.pdf",
        media_type="application/pdf",
        size_bytes=7,
        sha256="ab" * 32,
    )
    for who in (student, world.member("VIEWER")):
        found = await world.get(who, submitted.id)
        assert [each.document_id for each in found.documents] == sent


@pytest.mark.parametrize("role", ["OWNER", "RECRUITER", "HIRING_MANAGER", "VIEWER"])
async def test_every_member_of_the_listings_company_downloads_what_was_sent(
    world: ApplicationHarness, student: Principal, role: str
) -> None:
    document_id = world.document(student)
    submitted = await world.submit(student, world.listing().id, document_ids=[document_id])
    link = await world.document_url(world.member(role), submitted.id, document_id)
    assert (link.url, link.version) == (f"https://api.test/{document_id}", 2)
    assert await world.document_url(student, submitted.id, document_id) == link


async def test_nobody_else_reaches_a_document_and_nobody_one_that_was_not_sent(
    world: ApplicationHarness, student: Principal
) -> None:
    document_id, kept_back = world.document(student), world.document(student)
    submitted = await world.submit(student, world.listing().id, document_ids=[document_id])
    for other in (world.student(), world.member(company_id=new_id("cmp")), Principal("ops", "MODERATOR")):
        refused = world.document_url(other, submitted.id, document_id)
        assert await reason_of(refused) == "APPLICATION_NOT_FOUND"
    for missing in (kept_back, new_id("doc")):
        for who in (world.member(), student):
            assert await reason_of(world.document_url(who, submitted.id, missing)) == "DOCUMENT_NOT_FOUND"
    assert await world.looks_of(submitted.id) == []


async def test_a_document_of_another_student_or_one_that_is_not_ready_stops_the_submit(
    world: ApplicationHarness, student: Principal
) -> None:
    listing, own = world.listing(), world.document(student)
    unready, others = world.document(student), world.document(world.student())
    world.document_service.unready = {unready}
    for wrong, reason in ((unready, "DOCUMENT_NOT_READY"), (others, "DOCUMENT_NOT_FOUND")):
        refused = world.submit(student, listing.id, document_ids=[own, wrong])
        assert await reason_of(refused) == reason
    assert world.document_service.holds == {}
    assert await world.store.list_of_student(student.id, None, 10) == []
    await world.submit(student, listing.id, document_ids=[own])


async def test_nothing_is_held_for_a_submit_that_the_listing_refuses(
    world: ApplicationHarness, student: Principal
) -> None:
    closed = world.listing()
    closed.open_for_applications = False
    refused = world.submit(student, closed.id, document_ids=[world.document(student)])
    assert await reason_of(refused) == "INTERNSHIP_NOT_OPEN"
    assert world.document_service.holds == {}


async def test_of_many_submits_at_once_only_the_one_that_is_stored_holds_documents(
    world: ApplicationHarness, student: Principal
) -> None:
    listing, document_id = world.listing(), world.document(student)
    outcomes = await asyncio.gather(
        *(world.submit(student, listing.id, document_ids=[document_id]) for _ in range(20)),
        return_exceptions=True,
    )
    [made] = [each for each in outcomes if isinstance(each, pb.Application)]
    assert {each.reason for each in outcomes if isinstance(each, DomainError)} == {"ALREADY_APPLIED"}
    assert world.document_service.holds == {made.id: [document_id]}


async def test_a_hold_whose_submit_was_cut_short_is_given_up_and_one_of_a_stored_application_kept(
    world: ApplicationHarness, student: Principal
) -> None:
    listing, document_id = world.listing(), world.document(student)

    async def killed() -> None:
        raise DomainError("UNAVAILABLE", "cut short")

    world.document_service.interrupt = killed
    refused = world.submit(student, listing.id, document_ids=[document_id])
    assert await reason_of(refused) == "UNAVAILABLE"
    assert len(world.document_service.holds) == 1
    world.document_service.interrupt = None
    made = await world.submit(student, listing.id, document_ids=[document_id])
    await world.holds.settle_open_holds()
    assert world.document_service.holds == {made.id: [document_id]}
    assert world.document_service.settled == {made.id}


async def test_a_repeat_under_one_key_sends_the_documents_once(
    world: ApplicationHarness, student: Principal
) -> None:
    listing, document_id = world.listing(), world.document(student)
    first = await world.submit(student, listing.id, "one", document_ids=[document_id])
    assert await world.submit(student, listing.id, "one", document_ids=[document_id]) == first
    other = world.submit(student, listing.id, "one", document_ids=[world.document(student)])
    assert await reason_of(other) == "IDEMPOTENCY_KEY_REUSED"
    assert world.document_service.holds == {first.id: [document_id]}


async def test_a_look_of_a_member_is_recorded_once_a_day_and_a_students_own_never(
    world: ApplicationHarness, student: Principal
) -> None:
    submitted = await world.submit(student, world.listing().id)
    recruiter, viewer = world.member("RECRUITER"), world.member("VIEWER")
    for who in (student, recruiter, recruiter, viewer):
        await world.get(who, submitted.id)
    looks = await world.looks_of(submitted.id)
    assert {each.role for each in looks} == {common.COMPANY_ROLE_RECRUITER, common.COMPANY_ROLE_VIEWER}
    assert len(looks) == 2
    assert {(each.kind, each.student_id, each.company_id) for each in looks} == {
        (APPLICATION, student.id, world.company_id)
    }
    assert {each.company_name for each in looks} == {"Acme"}
    assert recruiter.id not in str(looks)
    world.clock.advance(timedelta(days=1))
    await world.get(recruiter, submitted.id)
    assert len(await world.looks_of(submitted.id)) == 3


async def test_a_download_is_recorded_beside_the_look_at_the_application(
    world: ApplicationHarness, student: Principal
) -> None:
    document_id, recruiter = world.document(student), world.member("RECRUITER")
    submitted = await world.submit(student, world.listing().id, document_ids=[document_id])
    for _ in range(2):
        await world.get(recruiter, submitted.id)
        await world.document_url(recruiter, submitted.id, document_id)
        await world.document_url(student, submitted.id, document_id)
    assert sorted(each.kind for each in await world.looks_of(submitted.id)) == [APPLICATION, DOCUMENT]


async def test_a_move_is_a_look_too_as_its_answer_shows_the_applicant(
    world: ApplicationHarness, student: Principal
) -> None:
    submitted, recruiter = await world.submit(student, world.listing().id), world.member("RECRUITER")
    moved = await world.move(recruiter, submitted.id, "SHORTLISTED", "INTERVIEW")
    assert moved.applicant.name == "Ada"
    [look] = await world.looks_of(submitted.id)
    assert (look.kind, look.role, look.student_id) == (APPLICATION, common.COMPANY_ROLE_RECRUITER, student.id)
    request = pb.WithdrawApplicationRequest(application_id=submitted.id)
    await world.call(student, world.servicer.WithdrawApplication, request)
    await world.get(recruiter, submitted.id)
    assert await world.looks_of(submitted.id) == [look]


async def test_of_many_looks_at_one_moment_one_is_recorded(
    world: ApplicationHarness, student: Principal
) -> None:
    submitted, recruiter = await world.submit(student, world.listing().id), world.member("RECRUITER")
    await asyncio.gather(*(world.get(recruiter, submitted.id) for _ in range(10)))
    assert len(await world.looks_of(submitted.id)) == 1


async def test_an_application_is_neither_shown_nor_moved_when_the_look_cannot_be_stored(
    world: ApplicationHarness, student: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted = await world.submit(student, world.listing().id)
    before = await world.store.get(submitted.id)

    async def down(*_: object) -> None:
        raise DomainError("UNAVAILABLE", "the shard is down")

    monkeypatch.setattr(ApplicationLookRepository, "record", down)
    for refused in (
        world.get(world.member(), submitted.id),
        world.move(world.member(), submitted.id, "SHORTLISTED"),
    ):
        assert await reason_of(refused) == "UNAVAILABLE"
    after = await world.store.get_or_raise(submitted.id)
    assert (after.state, after) == (ApplicationState.SUBMITTED, before)
    assert (await world.get(student, submitted.id)).id == submitted.id
    looks = world.shards.shard_for(submitted.id).db[APPLICATION_LOOKS]
    assert await looks.count_documents({"_id": {"$regex": submitted.id}}) == 0

"""A listing that is reviewed blind: the company learns who applies when it invites to an interview."""

from typing import Any

import pytest

from chassis.call_context import Principal
from internshipconnect.application.v1 import application_pb2 as pb
from internshipconnect.events.v1 import events_pb2 as events
from tests.integration.application.harness import ApplicationHarness, reason_of


@pytest.fixture
def student(world: ApplicationHarness) -> Principal:
    return world.student()


async def cards(world: ApplicationHarness, internship_id: str) -> list[pb.ApplicantCard]:
    await world.deliver()
    request = pb.ListApplicantsRequest(internship_id=internship_id)
    return list((await world.call(world.member(), world.servicer.ListApplicants, request)).data)


async def test_the_company_sees_neither_name_nor_address_school_id_or_documents(
    world: ApplicationHarness, student: Principal
) -> None:
    document_id = world.document(student)
    submitted = await world.submit(
        student,
        world.listing(blind_review=True).id,
        cover_letter="I am Ada.",
        document_ids=[document_id],
    )
    seen = await world.get(world.member(), submitted.id)
    assert (submitted.cover_letter, seen.cover_letter) == ("I am Ada.", "I am ….")
    assert (seen.student_hidden, seen.student_id, seen.applicant.email) == (True, "", "")
    assert seen.applicant.name == f"Applicant {submitted.id[-4:]}"
    assert (seen.applicant.profile.headline, seen.applicant.profile.summary) == ("…", "Likes maps.")
    assert list(seen.documents) == []
    for secret in ("Ada", "ada@", "Maths", student.id, document_id):
        assert secret not in str(seen)
    refused = world.document_url(world.member(), submitted.id, document_id)
    assert await reason_of(refused) == "DOCUMENT_WITHHELD"
    [look] = await world.looks_of(submitted.id)
    assert look.student_id == student.id


async def test_the_student_sees_their_own_application_whole(
    world: ApplicationHarness, student: Principal
) -> None:
    document_id = world.document(student)
    submitted = await world.submit(student, world.listing(blind_review=True).id, document_ids=[document_id])
    own = await world.get(student, submitted.id)
    assert (own.student_id, own.student_hidden) == (student.id, False)
    assert [each.document_id for each in own.documents] == [document_id]
    assert (await world.document_url(student, submitted.id, document_id)).url


async def test_an_invitation_to_an_interview_shows_the_student_for_good(
    world: ApplicationHarness, student: Principal
) -> None:
    document_id, recruiter = world.document(student), world.member("RECRUITER")
    submitted = await world.submit(student, world.listing(blind_review=True).id, document_ids=[document_id])
    hidden = await world.move(recruiter, submitted.id, "IN_REVIEW", "SHORTLISTED")
    assert hidden.student_hidden
    for state in ("INTERVIEW", "SHORTLISTED", "REJECTED"):
        seen = await world.move(recruiter, submitted.id, state)
        assert (seen.student_hidden, seen.applicant.name, seen.student_id) == (False, "Ada", student.id)
    assert [each.document_id for each in seen.documents] == [document_id]
    assert (await world.document_url(recruiter, submitted.id, document_id)).url


async def test_lists_and_events_name_the_student_when_the_company_may_know(
    world: ApplicationHarness, student: Principal
) -> None:
    listing = world.listing(blind_review=True)
    submitted = await world.submit(student, listing.id)
    label = f"Applicant {submitted.id[-4:]}"
    [card] = await cards(world, listing.id)
    assert (card.name, card.headline, card.student_id) == (label, "…", "")
    await world.move(world.member(), submitted.id, "IN_REVIEW", "INTERVIEW")
    [card] = await cards(world, listing.id)
    assert (card.name, card.headline, card.student_id) == ("Ada", "Maths", student.id)
    facts: list[Any] = [each for each in await world.events_of(submitted.id) if hasattr(each, "application")]
    assert [each.application.student_name for each in facts] == [label, label, "Ada"]
    assert all(isinstance(each, events.ApplicationSubmitted | events.ApplicationMoved) for each in facts)
    assert {each.application.student_id for each in facts} == {student.id}


async def test_nothing_is_sent_blind_before_the_user_service_knows_the_blind_view(
    world: ApplicationHarness, student: Principal
) -> None:
    blind, open_one = world.listing(blind_review=True), world.listing()
    world.users.is_old = True
    assert await reason_of(world.submit(student, blind.id)) == "UNAVAILABLE"
    assert (await world.submit(student, open_one.id)).id
    world.users.is_old = False
    submitted = await world.submit(student, blind.id)
    assert (await world.get(world.member(), submitted.id)).applicant.profile.summary == "Likes maps."


async def test_an_application_keeps_what_held_when_it_was_sent(
    world: ApplicationHarness, student: Principal
) -> None:
    blind, open_one = world.listing(blind_review=True), world.listing()
    hidden, shown = await world.submit(student, blind.id), await world.submit(student, open_one.id)
    blind.blind_review, open_one.blind_review = False, True
    assert (await world.get(world.member(), hidden.id)).student_hidden
    assert (await world.get(world.member(), shown.id)).applicant.name == "Ada"

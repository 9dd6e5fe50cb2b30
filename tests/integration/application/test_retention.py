"""The end of retention on the stack's stores."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from chassis.call_context import Principal
from internshipconnect.application.v1 import application_pb2 as pb
from internshipconnect.application.v1 import retention_pb2
from services.application.domain.model import ApplicationState
from services.application.domain.retention import DEFAULT_RETENTION_DAYS, MIN_RETENTION_DAYS
from services.application.repository.collections import APPLICATIONS
from tests.integration.application.harness import ApplicationHarness, reason_of

MODERATOR = Principal("usr_moderator", "MODERATOR")
DEFAULT = timedelta(days=DEFAULT_RETENTION_DAYS)


@pytest.fixture(autouse=True)
async def only_own_applications(world: ApplicationHarness) -> AsyncIterator[None]:
    """Remove what tests leave to the job, which goes through all that are stored."""
    yield
    for shard in world.shards.all_shards():
        await shard.db[APPLICATIONS].update_many({}, {"$unset": {"retention_time": ""}})


async def rejected(world: ApplicationHarness, *, with_document: bool = False) -> tuple[str, Principal, str]:
    """Return a rejected application, its student and its listing."""
    student, listing = world.student(), world.listing()
    documents = [world.document(student)] if with_document else []
    submitted = await world.submit(student, listing.id, document_ids=documents, cover_letter="Dear all")
    await world.move(world.member(), submitted.id, "REJECTED")
    return submitted.id, student, listing.id


async def set_rule(world: ApplicationHarness, days: int) -> None:
    request = retention_pb2.SetRetentionRuleRequest(days=days)
    await world.call(world.member(), world.retention_api.SetRetentionRule, request)


async def test_after_the_companys_time_nothing_of_the_student_is_stored(world: ApplicationHarness) -> None:
    application_id, student, listing_id = await rejected(world, with_document=True)
    world.clock.advance(DEFAULT - timedelta(minutes=1))
    await world.retention.end_due()
    assert (await world.get(student, application_id)).cover_letter == "Dear all"
    world.clock.advance(timedelta(minutes=1))
    await world.retention.end_due()
    stored = await world.store.get_or_raise(application_id)
    assert stored.is_anonymous and not stored.holds_documents
    assert world.document_service.holds == {}
    raw = await world.shards.shard_for(application_id).db[APPLICATIONS].find_one({"_id": application_id})
    assert student.id not in str(raw) and "Dear all" not in str(raw)
    assert await reason_of(world.get(student, application_id)) == "APPLICATION_NOT_FOUND"
    await world.deliver()
    [row] = await world.applicant_store.list_of_listing(listing_id, [ApplicationState.REJECTED], None, 10)
    assert row.student_id == ""
    seen = await world.get(world.member(), application_id)
    assert (seen.state, list(seen.allowed_moves)) == (pb.APPLICATION_STATE_REJECTED, [])
    # The company's looks of before are in the student's access log; this one is in nobody's.
    assert {each.student_id for each in await world.looks_of(application_id)} == {student.id}


async def test_a_shorter_rule_of_the_company_counts(world: ApplicationHarness) -> None:
    await set_rule(world, MIN_RETENTION_DAYS)
    application_id, _, _ = await rejected(world)
    world.clock.advance(timedelta(days=MIN_RETENTION_DAYS))
    await world.retention.end_due()
    assert (await world.store.get_or_raise(application_id)).is_anonymous


async def test_a_rule_that_becomes_shorter_counts_within_thirty_days(world: ApplicationHarness) -> None:
    application_id, _, _ = await rejected(world)
    world.clock.advance(timedelta(days=MIN_RETENTION_DAYS))
    await world.retention.end_due()
    assert not (await world.store.get_or_raise(application_id)).is_anonymous
    await set_rule(world, MIN_RETENTION_DAYS)
    world.clock.advance(timedelta(days=30))
    await world.retention.end_due()
    assert (await world.store.get_or_raise(application_id)).is_anonymous


async def test_a_legal_hold_stops_the_end_until_it_is_lifted(world: ApplicationHarness) -> None:
    application_id, _, _ = await rejected(world)
    place = retention_pb2.PlaceLegalHoldRequest(application_id=application_id, reason="a dispute")
    assert (await world.call(MODERATOR, world.retention_api.PlaceLegalHold, place)).held
    world.clock.advance(10 * DEFAULT)
    await world.retention.end_due()
    assert not (await world.store.get_or_raise(application_id)).is_anonymous
    lift = retention_pb2.LiftLegalHoldRequest(application_id=application_id)
    assert not (await world.call(MODERATOR, world.retention_api.LiftLegalHold, lift)).held
    await world.retention.end_due()
    assert (await world.store.get_or_raise(application_id)).is_anonymous
    assert await reason_of(world.call(MODERATOR, world.retention_api.PlaceLegalHold, place)) == (
        "APPLICATION_ANONYMISED"
    )


async def test_the_rule_of_an_account_without_a_company_is_not_found(world: ApplicationHarness) -> None:
    nobodys = Principal("usr_nobodys", "COMPANY", role="OWNER")
    request = retention_pb2.GetRetentionRuleRequest()
    assert await reason_of(world.call(nobodys, world.retention_api.GetRetentionRule, request)) == (
        "COMPANY_NOT_FOUND"
    )

"""The erasure of students on the stack's stores."""

from datetime import timedelta

import pytest

from chassis.call_context import Principal
from chassis.ids import slot_of
from chassis.sharding.erased_people import ERASED_PEOPLE_COLLECTION, tombstone_key
from internshipconnect.application.v1 import retention_pb2
from internshipconnect.events.v1.events_pb2 import ApplicationPersonErased
from services.application.domain.model import ApplicationState, ClosedReason
from services.application.repository.collections import APPLICATIONS
from services.application.service.erase_person import EraseStudent
from tests.databases import read_outbox
from tests.integration.application.harness import SETTLE, ApplicationHarness

MODERATOR = Principal("usr_moderator", "MODERATOR")
MARKER = "Marker 7f3a"


async def sent(world: ApplicationHarness, student: Principal, *, with_document: bool = False) -> str:
    documents = [world.document(student)] if with_document else []
    listing = world.listing()
    return (await world.submit(student, listing.id, document_ids=documents, cover_letter=MARKER)).id


async def sweep_all(world: ApplicationHarness, student: Principal) -> None:
    """Have a student erased until it is acknowledged."""
    await world.erasing.request_erasure(student.id)
    await world.erasing.erase_due()
    world.clock.advance(SETTLE)
    await world.erasing.erase_due()


async def stored_of(world: ApplicationHarness, student: Principal) -> list[str]:
    """Return the applications in which the student, or the marker, still is."""
    applications = world.shards.shard_for(student.id).db[APPLICATIONS]
    documents = await applications.find({"slot": slot_of(student.id)}).to_list()
    return [each["_id"] for each in documents if student.id in str(each) or MARKER in str(each)]


async def test_applications_end_and_nothing_of_the_student_is_stored(world: ApplicationHarness) -> None:
    student = world.student()
    live, rejected = await sent(world, student, with_document=True), await sent(world, student)
    await world.move(world.member(), rejected, "REJECTED")
    await sweep_all(world, student)
    assert await stored_of(world, student) == []
    closed = await world.store.get_or_raise(live)
    assert (closed.state, closed.closed_reason) == (ApplicationState.CLOSED, ClosedReason.ACCOUNT_DELETED)
    assert (await world.store.get_or_raise(rejected)).state is ApplicationState.REJECTED
    assert world.document_service.holds == {}


async def test_the_acknowledgement_waits_for_what_is_in_flight(world: ApplicationHarness) -> None:
    student = world.student()
    await world.erasing.request_erasure(student.id)
    await world.erasing.erase_due()
    assert await read_outbox(world.shards, ApplicationPersonErased, student.id) == []
    late = await sent(world, student)
    world.clock.advance(SETTLE - timedelta(seconds=1))
    await world.erasing.erase_due()
    assert await stored_of(world, student) == [late]
    world.clock.advance(timedelta(seconds=1))
    await world.erasing.erase_due()
    assert await stored_of(world, student) == []
    assert len(await read_outbox(world.shards, ApplicationPersonErased, student.id)) == 1
    tombstones = world.shards.shard_for(student.id).db[ERASED_PEOPLE_COLLECTION.name]
    tombstone = await tombstones.find_one({"_id": tombstone_key(student.id)}, hint="_id_")
    assert tombstone is not None and student.id not in str(tombstone)


async def test_a_repeated_request_is_acknowledged_again(world: ApplicationHarness) -> None:
    student = world.student()
    await sent(world, student)
    await sweep_all(world, student)
    await world.erasing.request_erasure(student.id)
    await world.erasing.erase_due()
    assert len(await read_outbox(world.shards, ApplicationPersonErased, student.id)) == 2


async def test_an_erasure_that_breaks_off_half_way_goes_on(
    world: ApplicationHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    student = world.student()
    for _ in range(3):
        await sent(world, student)
    erase, seen = EraseStudent._erase_application, 0

    async def erase_one(self: EraseStudent, application: object) -> None:
        nonlocal seen
        seen += 1
        if seen == 2:
            raise ConnectionError("killed here")
        await erase(self, application)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(EraseStudent, "_erase_application", erase_one)
        await world.erasing.request_erasure(student.id)
        await world.erasing.erase_due()
    assert len(await stored_of(world, student)) == 2
    world.clock.advance(SETTLE)
    await world.erasing.erase_due()
    assert await stored_of(world, student) == []


async def test_an_application_on_legal_hold_goes_when_the_hold_is_lifted(world: ApplicationHarness) -> None:
    student = world.student()
    held, other = await sent(world, student), await sent(world, student)
    place = retention_pb2.PlaceLegalHoldRequest(application_id=held, reason="A claim")
    await world.call(MODERATOR, world.retention_api.PlaceLegalHold, place)
    await sweep_all(world, student)
    assert await stored_of(world, student) == [held]
    assert (await world.store.get_or_raise(other)).is_anonymous
    lift = retention_pb2.LiftLegalHoldRequest(application_id=held)
    await world.call(MODERATOR, world.retention_api.LiftLegalHold, lift)
    await world.erasing.erase_due()
    assert await stored_of(world, student) == []

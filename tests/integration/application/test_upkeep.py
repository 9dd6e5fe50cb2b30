"""What time and archived listings bring, by one worker or by two."""

import asyncio
from datetime import timedelta

from internshipconnect.application.v1 import application_pb2 as pb
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.internship.v1 import internship_pb2 as internship
from services.application.domain.model import ClosedReason, State
from tests.integration.application.world import POLICY, World, reason_of


async def stored(world: World, application_id: str) -> tuple[State, ClosedReason | None]:
    application = await world.store.get(application_id)
    assert application is not None
    return application.state, application.closed_reason


async def two_workers(world: World) -> None:
    await asyncio.gather(world.upkeep.settle_due(), world.upkeep.settle_due())


async def archive(world: World, listing: internship.Internship) -> None:
    event = events.InternshipStateChanged(internship=listing, to=internship.INTERNSHIP_STATE_ARCHIVED)
    await world.reactions.listing_changed(event, None)  # type: ignore[arg-type]


async def test_an_expired_offer_is_closed_once_by_two_workers(world: World) -> None:
    offered = await world.offered(world.student(), world.listing().id)
    world.clock.advance(POLICY.offer_stands)
    await two_workers(world)
    assert await stored(world, offered.id) == (State.CLOSED, ClosedReason.OFFER_EXPIRED)
    closings = [event for event in await world.events_of(offered.id) if getattr(event, "closed_reason", 0)]
    assert len(closings) == 1


async def test_a_rejection_is_told_once_when_its_delay_is_over(world: World) -> None:
    submitted = await world.submit(world.student(), world.listing().id)
    await world.move(world.member(), submitted.id, "REJECTED")
    await two_workers(world)
    assert len(await world.events_of(submitted.id)) == 2
    world.clock.advance(POLICY.rejection_delay)
    await two_workers(world)
    await two_workers(world)
    told = [
        event for event in await world.events_of(submitted.id) if isinstance(event, events.RejectionDisclosed)
    ]
    assert len(told) == 1


async def test_an_unanswered_application_is_closed_after_promise_and_grace(world: World) -> None:
    submitted = await world.submit(world.student(), world.listing(respond_within_days=10).id)
    world.clock.advance(timedelta(days=10) + POLICY.response_grace - timedelta(seconds=1))
    await world.upkeep.settle_due()
    assert (await stored(world, submitted.id))[0] is State.SUBMITTED
    world.clock.advance(timedelta(seconds=1))
    await two_workers(world)
    assert await stored(world, submitted.id) == (State.CLOSED, ClosedReason.NO_RESPONSE)


async def test_an_answered_application_does_not_end_by_itself(world: World) -> None:
    submitted = await world.submit(world.student(), world.listing().id)
    await world.move(world.member(), submitted.id, "SHORTLISTED")
    world.clock.advance(timedelta(days=400))
    await world.upkeep.settle_due()
    assert (await stored(world, submitted.id))[0] is State.SHORTLISTED


async def test_an_archived_listing_ends_what_is_under_way_and_nothing_else(world: World) -> None:
    listing = world.listing(openings=3)
    hired_student = world.student()
    hired = await world.offered(hired_student, listing.id)
    await world.accept(hired_student, hired.id)
    offered = await world.offered(world.student(), listing.id)
    waiting = await world.submit(world.student(), listing.id)
    elsewhere = await world.submit(world.student(), world.listing().id)
    await world.deliver()
    await archive(world, listing)
    await archive(world, listing)
    for application in (offered, waiting):
        assert await stored(world, application.id) == (State.CLOSED, ClosedReason.LISTING_ARCHIVED)
    assert (await stored(world, hired.id))[0] is State.HIRED
    assert (await stored(world, elsewhere.id))[0] is State.SUBMITTED


async def test_an_application_that_reaches_the_view_after_the_archiving_is_ended_too(world: World) -> None:
    listing = world.listing()
    late = await world.submit(world.student(), listing.id)
    await archive(world, listing)
    await world.deliver()
    assert await stored(world, late.id) == (State.CLOSED, ClosedReason.LISTING_ARCHIVED)


async def test_an_archiving_waits_for_a_pending_accept(world: World) -> None:
    student, listing = world.student(), world.listing()
    offered = await world.offered(student, listing.id)
    world.internships.interrupt = "after taking"
    await reason_of(world.accept(student, offered.id))
    world.internships.interrupt = ""
    world.told = await all_of_kind(world, "AcceptanceStarted")
    await world.deliver()
    assert await reason_of(archive(world, listing)) == "UNEXPECTED_STATE"
    assert (await world.accept(student, offered.id)).status == pb.STUDENT_STATUS_HIRED
    await archive(world, listing)
    assert (await stored(world, offered.id))[0] is State.HIRED


async def all_of_kind(world: World, kind: str) -> set[str]:
    rows = [row for shard in world.shards.all() for row in await shard.db["outbox"].find().to_list()]
    found = [events.Event.FromString(row["event"]) for row in rows]
    return {event.id for event in found if event.data.type_url.endswith(kind)}

"""Making an offer: never beyond the openings, and carried through wherever it is cut short."""

import asyncio

import pytest

from internshipconnect.application.v1 import application_pb2 as pb
from internshipconnect.events.v1 import events_pb2 as events
from services.application.domain.model import Application, ApplicationState
from tests.integration.application.harness import POLICY, ApplicationHarness, key, reason_of


async def stored(world: ApplicationHarness, application_id: str) -> Application:
    found = await world.store.get(application_id)
    assert found is not None
    return found


async def shortlisted(world: ApplicationHarness, internship_id: str) -> pb.Application:
    submitted = await world.submit(world.student(), internship_id)
    return await world.move(world.member(), submitted.id, "SHORTLISTED")


async def test_an_offer_beyond_the_openings_is_refused_when_it_is_made(world: ApplicationHarness) -> None:
    listing = world.listing(openings=1)
    first, second = [await shortlisted(world, listing.id) for _ in range(2)]
    await world.move(world.member(), first.id, "OFFERED")
    assert await reason_of(world.move(world.member(), second.id, "OFFERED")) == "NO_OPENING_LEFT"
    left = await stored(world, second.id)
    assert (left.state, left.offering) == (ApplicationState.SHORTLISTED, None)
    assert (await world.move(world.member(), second.id, "WAITLISTED")).allowed_moves


async def test_of_many_offers_made_at_once_as_many_stand_as_there_are_openings(
    world: ApplicationHarness,
) -> None:
    listing = world.listing(openings=3)
    applications = [await shortlisted(world, listing.id) for _ in range(10)]
    reasons = await asyncio.gather(
        *(reason_of(world.move(world.member(), each.id, "OFFERED")) for each in applications)
    )
    assert sorted(reasons) == [""] * 3 + ["NO_OPENING_LEFT"] * 7
    states = [(await stored(world, each.id)).state for each in applications]
    assert states.count(ApplicationState.OFFERED) == 3
    assert states.count(ApplicationState.SHORTLISTED) == 7


@pytest.mark.parametrize("step", ["before keeping", "after keeping"])
async def test_an_offer_cut_short_is_made_by_the_upkeep(world: ApplicationHarness, step: str) -> None:
    listing = world.listing()
    application = await shortlisted(world, listing.id)
    world.internships.interrupt = step
    assert await reason_of(world.move(world.member(), application.id, "OFFERED")) == "UNAVAILABLE"
    assert await reason_of(world.move(world.member(), application.id, "REJECTED")) == "UNEXPECTED_STATE"
    world.internships.interrupt = ""
    world.clock.advance(POLICY.acceptance_timeout)
    await asyncio.gather(world.settling.settle_due(), world.settling.settle_due())
    made = await stored(world, application.id)
    assert (made.state, made.offering) == (ApplicationState.OFFERED, None)
    moves = [
        each for each in await world.events_of(application.id) if isinstance(each, events.ApplicationMoved)
    ]
    assert [each.to for each in moves].count(pb.APPLICATION_STATE_OFFERED) == 1


async def test_an_offer_cut_short_is_undone_by_the_upkeep_when_there_is_no_opening(
    world: ApplicationHarness,
) -> None:
    listing = world.listing()
    first, second = [await shortlisted(world, listing.id) for _ in range(2)]
    world.internships.interrupt = "before keeping"
    await reason_of(world.move(world.member(), second.id, "OFFERED"))
    world.internships.interrupt = ""
    await world.move(world.member(), first.id, "OFFERED")
    world.clock.advance(POLICY.acceptance_timeout)
    await world.settling.settle_due()
    left = await stored(world, second.id)
    assert (left.state, left.offering) == (ApplicationState.SHORTLISTED, None)


async def test_the_same_call_repeated_makes_the_offer_that_it_began(world: ApplicationHarness) -> None:
    listing, member = world.listing(), world.member()
    application = await shortlisted(world, listing.id)
    world.internships.interrupt = "after keeping"
    begun = world.move(member, application.id, "OFFERED", operation=key("offer"), etag=application.etag)
    assert await reason_of(begun) == "UNAVAILABLE"
    world.internships.interrupt = ""
    again = await world.move(
        member, application.id, "OFFERED", operation=key("offer", replay=True), etag=application.etag
    )
    assert again.state == pb.APPLICATION_STATE_OFFERED
    assert again.HasField("offer_expire_time")


async def test_a_hire_goes_back_to_its_offer_without_another_opening(world: ApplicationHarness) -> None:
    student, listing = world.student(), world.listing(openings=1)
    offered = await world.offered(student, listing.id)
    await world.accept(student, offered.id)
    world.internships.interrupt = "before keeping"
    back = await world.move(world.member(), offered.id, "OFFERED")
    assert back.state == pb.APPLICATION_STATE_OFFERED

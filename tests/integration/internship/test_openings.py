"""Openings under pressure and out of order, on real shards."""

import asyncio

from chassis.errors import DomainError
from chassis.ids import new_id
from internshipconnect.application.v1 import application_pb2 as application
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.internship.v1 import internship_pb2 as pb
from tests.databases import told
from tests.integration.internship.test_listings import refused
from tests.integration.internship.world import SERVICE, World, incoming


def moved(listing_id: str, application_id: str, version: int, *, hired: bool) -> events.ApplicationMoved:
    facts = events.ApplicationFacts(application_id=application_id, internship_id=listing_id, version=version)
    source, target = (
        (application.APPLICATION_STATE_OFFERED, application.APPLICATION_STATE_HIRED)
        if hired
        else (application.APPLICATION_STATE_HIRED, application.APPLICATION_STATE_WITHDRAWN)
    )
    event = events.ApplicationMoved(application=facts, to=target)
    setattr(event, "from", source)
    return event


async def test_fifty_at_once_take_exactly_the_openings_there_are(world: World) -> None:
    listing = await world.published(world.companies.add("Acme"), openings=7)

    async def attempt(application_id: str) -> str:
        try:
            await world.take(listing.id, application_id)
        except DomainError as error:
            return error.reason
        return "TAKEN"

    outcomes = await asyncio.gather(*(attempt(new_id("app")) for _ in range(50)))
    assert outcomes.count("TAKEN") == 7
    assert outcomes.count("NO_OPENING_LEFT") == 43
    filled = await world.get(SERVICE, listing.id)
    assert (filled.hires, filled.state) == (7, pb.INTERNSHIP_STATE_FILLED)
    changes = await told(world.shards, events.InternshipStateChanged, listing.id)
    assert [change.to for change in changes] == [pb.INTERNSHIP_STATE_OPEN, pb.INTERNSHIP_STATE_FILLED]


async def test_the_same_application_takes_one_opening_however_often_it_asks(world: World) -> None:
    listing = await world.published(world.companies.add("Acme"), openings=3)
    application_id = new_id("app")
    answers = await asyncio.gather(*(world.take(listing.id, application_id) for _ in range(5)))
    assert {answer.hires for answer in answers} == {1}


async def test_a_hire_that_comes_to_nothing_frees_its_opening_once(world: World) -> None:
    listing = await world.published(world.companies.add("Acme"), openings=1)
    application_id = new_id("app")
    await world.take(listing.id, application_id, version=4)
    event = moved(listing.id, application_id, 6, hired=False)
    for repeat in ("evt_01JD0000000000000000000000", "evt_01JD0000000000000000000000", ""):
        await world.reactions.release(event, incoming(application_id, "internship-openings", repeat))
    reopened = await world.get(SERVICE, listing.id)
    assert (reopened.hires, reopened.state) == (0, pb.INTERNSHIP_STATE_OPEN)


async def test_late_news_of_an_earlier_hire_does_not_free_a_newer_one(world: World) -> None:
    listing = await world.published(world.companies.add("Acme"), openings=1)
    application_id = new_id("app")
    await world.take(listing.id, application_id, version=4)
    await world.take(listing.id, application_id, version=8)
    late = moved(listing.id, application_id, 6, hired=False)
    await world.reactions.release(late, incoming(application_id, "internship-openings"))
    assert (await world.get(SERVICE, listing.id)).hires == 1


async def test_a_call_that_was_overtaken_by_its_release_takes_nothing(world: World) -> None:
    listing = await world.published(world.companies.add("Acme"), openings=1)
    application_id = new_id("app")
    await world.take(listing.id, application_id, version=4)
    await world.reactions.release(
        moved(listing.id, application_id, 6, hired=False), incoming(application_id, "internship-openings")
    )
    with refused("UNEXPECTED_STATE"):
        await world.take(listing.id, application_id, version=4)
    assert (await world.get(SERVICE, listing.id)).hires == 0


async def test_news_of_the_hire_itself_and_of_strangers_changes_nothing(world: World) -> None:
    listing = await world.published(world.companies.add("Acme"), openings=2)
    hired, stranger = new_id("app"), new_id("app")
    await world.take(listing.id, hired, version=4)
    for event in (
        moved(listing.id, hired, 5, hired=True),
        moved(listing.id, stranger, 9, hired=False),
    ):
        await world.reactions.release(
            event, incoming(event.application.application_id, "internship-openings")
        )
    assert (await world.get(SERVICE, listing.id)).hires == 1

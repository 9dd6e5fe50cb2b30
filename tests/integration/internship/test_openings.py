"""Openings under pressure and out of order, on real shards."""

import asyncio

from chassis.call_context import acting_as
from chassis.errors import DomainError
from chassis.ids import new_id
from internshipconnect.application.v1 import application_pb2 as application
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.internship.v1 import internship_pb2 as pb
from tests.databases import read_outbox
from tests.integration.internship.harness import CONTEXT, SERVICE, InternshipHarness, incoming
from tests.integration.internship.test_listings import refused


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


async def test_fifty_at_once_take_exactly_the_openings_there_are(world: InternshipHarness) -> None:
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
    changes = await read_outbox(world.shards, events.InternshipStateChanged, listing.id)
    assert [change.to for change in changes] == [pb.INTERNSHIP_STATE_OPEN, pb.INTERNSHIP_STATE_FILLED]


async def test_the_same_application_takes_one_opening_however_often_it_asks(world: InternshipHarness) -> None:
    listing = await world.published(world.companies.add("Acme"), openings=3)
    application_id = new_id("app")
    answers = await asyncio.gather(*(world.take(listing.id, application_id) for _ in range(5)))
    assert {answer.hires for answer in answers} == {1}


async def test_a_hire_that_comes_to_nothing_frees_its_opening_once(world: InternshipHarness) -> None:
    listing = await world.published(world.companies.add("Acme"), openings=1)
    application_id = new_id("app")
    await world.take(listing.id, application_id, version=4)
    event = moved(listing.id, application_id, 6, hired=False)
    for repeat in ("evt_01JD0000000000000000000000", "evt_01JD0000000000000000000000", ""):
        await world.handlers.application_moved(event, incoming(application_id, "internship-openings", repeat))
    reopened = await world.get(SERVICE, listing.id)
    assert (reopened.hires, reopened.state) == (0, pb.INTERNSHIP_STATE_OPEN)


async def test_late_news_of_an_earlier_hire_does_not_free_a_newer_one(world: InternshipHarness) -> None:
    listing = await world.published(world.companies.add("Acme"), openings=1)
    application_id = new_id("app")
    await world.take(listing.id, application_id, version=4)
    await world.take(listing.id, application_id, version=8)
    late = moved(listing.id, application_id, 6, hired=False)
    await world.handlers.application_moved(late, incoming(application_id, "internship-openings"))
    assert (await world.get(SERVICE, listing.id)).hires == 1


async def test_a_call_that_was_overtaken_by_its_release_takes_nothing(world: InternshipHarness) -> None:
    listing = await world.published(world.companies.add("Acme"), openings=1)
    application_id = new_id("app")
    await world.take(listing.id, application_id, version=4)
    await world.handlers.application_moved(
        moved(listing.id, application_id, 6, hired=False), incoming(application_id, "internship-openings")
    )
    with refused("UNEXPECTED_STATE"):
        await world.take(listing.id, application_id, version=4)
    assert (await world.get(SERVICE, listing.id)).hires == 0


async def test_events_of_the_hire_itself_and_of_unknown_applications_change_nothing(
    world: InternshipHarness,
) -> None:
    listing = await world.published(world.companies.add("Acme"), openings=2)
    hired, outsider = new_id("app"), new_id("app")
    await world.take(listing.id, hired, version=4)
    for event in (
        moved(listing.id, hired, 5, hired=True),
        moved(listing.id, outsider, 9, hired=False),
    ):
        await world.handlers.application_moved(
            event, incoming(event.application.application_id, "internship-openings")
        )
    assert (await world.get(SERVICE, listing.id)).hires == 1


async def reserve(world: InternshipHarness, listing_id: str, application_id: str, version: int = 3) -> str:
    request = pb.ReserveOpeningRequest(
        internship_id=listing_id, application_id=application_id, application_version=version
    )
    try:
        with acting_as(SERVICE):
            await world.api.ReserveOpening(request, CONTEXT)
    except DomainError as error:
        return error.reason
    return "KEPT"


def offer_left(
    listing_id: str, application_id: str, version: int, target: application.ApplicationState.ValueType
) -> events.ApplicationMoved:
    facts = events.ApplicationFacts(application_id=application_id, internship_id=listing_id, version=version)
    event = events.ApplicationMoved(application=facts, to=target)
    setattr(event, "from", application.APPLICATION_STATE_OFFERED)
    return event


async def test_offers_and_hires_together_are_never_more_than_the_openings(world: InternshipHarness) -> None:
    listing = await world.published(world.companies.add("Acme"), openings=5)
    for _ in range(2):
        await world.take(listing.id, new_id("app"))
    outcomes = await asyncio.gather(*(reserve(world, listing.id, new_id("app")) for _ in range(30)))
    assert outcomes.count("KEPT") == 3
    assert set(outcomes) == {"KEPT", "NO_OPENING_LEFT"}
    with refused("NO_OPENING_LEFT"):
        await world.take(listing.id, new_id("app"))
    assert (await world.get(SERVICE, listing.id)).state == pb.INTERNSHIP_STATE_OPEN


async def test_an_offer_that_is_accepted_takes_the_opening_that_was_kept_for_it(
    world: InternshipHarness,
) -> None:
    listing = await world.published(world.companies.add("Acme"), openings=1)
    application_id = new_id("app")
    assert [await reserve(world, listing.id, application_id) for _ in range(2)] == ["KEPT", "KEPT"]
    assert (await world.take(listing.id, application_id, 5)).hires == 1
    assert (await world.get(SERVICE, listing.id)).state == pb.INTERNSHIP_STATE_FILLED


async def test_an_offer_that_ends_frees_its_opening_once_and_its_own_news_does_not(
    world: InternshipHarness,
) -> None:
    listing = await world.published(world.companies.add("Acme"), openings=1)
    application_id, other = new_id("app"), new_id("app")
    await reserve(world, listing.id, application_id, 3)
    made = offer_left(listing.id, application_id, 4, application.APPLICATION_STATE_OFFERED)
    await world.handlers.application_moved(made, incoming(application_id, "internship-openings"))
    assert await reserve(world, listing.id, other) == "NO_OPENING_LEFT"
    declined = offer_left(listing.id, application_id, 5, application.APPLICATION_STATE_WITHDRAWN)
    for _ in range(2):
        await world.handlers.application_moved(declined, incoming(application_id, "internship-openings"))
    assert await reserve(world, listing.id, other) == "KEPT"
    assert await reserve(world, listing.id, new_id("app")) == "NO_OPENING_LEFT"


async def test_a_hire_that_goes_back_to_its_offer_keeps_its_opening(world: InternshipHarness) -> None:
    listing = await world.published(world.companies.add("Acme"), openings=1)
    application_id = new_id("app")
    await world.take(listing.id, application_id, 3)
    facts = events.ApplicationFacts(application_id=application_id, internship_id=listing.id, version=5)
    back = events.ApplicationMoved(application=facts, to=application.APPLICATION_STATE_OFFERED)
    setattr(back, "from", application.APPLICATION_STATE_HIRED)
    await world.handlers.application_moved(back, incoming(application_id, "internship-openings"))
    seen = await world.get(SERVICE, listing.id)
    assert (seen.hires, seen.state) == (0, pb.INTERNSHIP_STATE_OPEN)
    assert await reserve(world, listing.id, new_id("app")) == "NO_OPENING_LEFT"

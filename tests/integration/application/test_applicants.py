"""The company's list of a listing's applicants."""

from chassis.messaging import ReceivedEvent
from internshipconnect.application.v1 import application_pb2 as pb
from internshipconnect.events.v1 import events_pb2 as events
from tests.integration.application.harness import ApplicationHarness, reason_of, state_value, to_incoming


async def listed(world: ApplicationHarness, internship_id: str, *states: str) -> list[pb.ApplicantCard]:
    request = pb.ListApplicantsRequest(internship_id=internship_id, states=map(state_value, states))
    response = await world.call(world.member("VIEWER"), world.servicer.ListApplicants, request)
    return list(response.data)


async def test_applicants_are_listed_newest_first_with_their_present_state(world: ApplicationHarness) -> None:
    listing = world.listing()
    made = [(await world.submit(world.student(), listing.id)).id for _ in range(3)]
    await world.move(world.member(), made[1], "SHORTLISTED")
    await world.deliver()
    cards = await listed(world, listing.id)
    assert [card.application_id for card in cards] == sorted(made, reverse=True)
    assert [card.name for card in cards] == ["Ada"] * 3
    [shortlisted] = await listed(world, listing.id, "SHORTLISTED", "OFFERED")
    assert shortlisted.application_id == made[1]


async def test_the_applicants_come_page_by_page(world: ApplicationHarness) -> None:
    listing = world.listing()
    made = [(await world.submit(world.student(), listing.id)).id for _ in range(5)]
    await world.deliver()
    member, seen, token = world.member(), [], ""
    for _ in range(3):
        request = pb.ListApplicantsRequest(internship_id=listing.id, page_size=2, page_token=token)
        page = await world.call(member, world.servicer.ListApplicants, request)
        seen += [card.application_id for card in page.data]
        token = page.next_page_token
    assert (seen, token) == (sorted(made, reverse=True), "")


async def changes_of(world: ApplicationHarness, application_id: str) -> list[events.Event]:
    """Return the events of an application's changes, newest first."""
    rows = await world.shards.shard_for(application_id).db["outbox"].find().sort("_id", -1).to_list()
    found = [events.Event.FromString(row["event"]) for row in rows]
    return [each for each in found if each.subject == application_id and not each.type.endswith("accessed")]


async def test_events_in_any_order_and_number_lead_to_the_newest_state(world: ApplicationHarness) -> None:
    listing = world.listing()
    submitted = await world.submit(world.student(), listing.id)
    await world.move(world.member(), submitted.id, "SHORTLISTED", "INTERVIEW")
    for event in await changes_of(world, submitted.id) * 2:
        message = events.ApplicationMoved() if event.type.endswith("moved") else events.ApplicationSubmitted()
        event.data.Unpack(message)
        received = ReceivedEvent(message, to_incoming(event, "application-views"))
        await world.handlers.applications_changed([received])
    [card] = await listed(world, listing.id)
    assert card.state == pb.APPLICATION_STATE_INTERVIEW


async def test_a_batch_in_any_order_with_repeats_leads_to_the_newest_state(world: ApplicationHarness) -> None:
    listing, other = world.listing(), world.listing()
    moving = await world.submit(world.student(), listing.id)
    await world.move(world.member(), moving.id, "SHORTLISTED", "INTERVIEW")
    staying = [await world.submit(world.student(), each.id) for each in (listing, other)]
    received = []
    for id_ in (moving.id, *(each.id for each in staying)):
        for event in await changes_of(world, id_):
            is_move = event.type.endswith("moved")
            message = events.ApplicationMoved() if is_move else events.ApplicationSubmitted()
            event.data.Unpack(message)
            received.append(ReceivedEvent(message, to_incoming(event, "application-views")))
    await world.handlers.applications_changed([*received, *reversed(received)])
    await world.handlers.applications_changed(received[1:])
    states = {card.application_id: card.state for card in await listed(world, listing.id)}
    assert states == {
        moving.id: pb.APPLICATION_STATE_INTERVIEW,
        staying[0].id: pb.APPLICATION_STATE_SUBMITTED,
    }
    [card] = await listed(world, other.id)
    assert card.application_id == staying[1].id


async def test_a_listing_without_applicants_is_an_empty_list_for_its_company(
    world: ApplicationHarness,
) -> None:
    assert await listed(world, world.listing().id) == []


async def test_another_companys_listing_is_not_found_with_or_without_applicants(
    world: ApplicationHarness,
) -> None:
    outsider = world.member(company_id="cmp_01JD0000000000000000000000")
    full, empty = world.listing(), world.listing()
    await world.submit(world.student(), full.id)
    await world.deliver()
    for listing in (full, empty):
        request = pb.ListApplicantsRequest(internship_id=listing.id)
        asked = world.call(outsider, world.servicer.ListApplicants, request)
        assert await reason_of(asked) == "INTERNSHIP_NOT_FOUND"

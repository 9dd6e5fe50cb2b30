"""Accepting an offer, cut short at every step."""

import asyncio

import pytest

from chassis.errors import DomainError
from internshipconnect.application.v1 import application_pb2 as pb
from internshipconnect.events.v1 import events_pb2 as events
from services.application.domain.model import ApplicationState
from tests.integration.application.harness import POLICY, ApplicationHarness, key, reason_of


async def state_of(world: ApplicationHarness, application_id: str) -> ApplicationState:
    stored = await world.store.get(application_id)
    assert stored is not None
    return stored.state


async def is_pending(world: ApplicationHarness, application_id: str) -> bool:
    stored = await world.store.get(application_id)
    return stored is not None and stored.acceptance is not None


async def carried_through(world: ApplicationHarness, application_id: str) -> None:
    await world.handlers.acceptance_started(events.AcceptanceStarted(application_id=application_id), None)  # type: ignore[arg-type]


async def test_an_accepted_offer_hires_and_takes_one_opening(world: ApplicationHarness) -> None:
    student, listing = world.student(), world.listing()
    offered = await world.offered(student, listing.id)
    hired = await world.accept(student, offered.id)
    assert hired.status == pb.STUDENT_STATUS_HIRED
    assert list(world.internships.taken[listing.id]) == [offered.id]
    kinds = [type(event).__name__ for event in await world.events_of(offered.id)]
    assert kinds.count("AcceptanceStarted") == 1
    assert kinds.count("ApplicationMoved") == 3


async def test_the_last_opening_goes_to_one_of_two(world: ApplicationHarness) -> None:
    listing = world.listing(openings=2)
    students = [world.student(), world.student()]
    offers = [await world.offered(student, listing.id) for student in students]
    # As if the offers were from before openings were kept for them.
    listing.openings = 1
    world.internships.kept.clear()
    reasons = await asyncio.gather(
        *(reason_of(world.accept(student, offer.id)) for student, offer in zip(students, offers, strict=True))
    )
    assert sorted(reasons) == ["", "NO_OPENING_LEFT"]
    states = [await state_of(world, offer.id) for offer in offers]
    assert sorted(states) == [ApplicationState.HIRED, ApplicationState.OFFERED]
    assert not any([await is_pending(world, offer.id) for offer in offers])


@pytest.mark.parametrize("step", ["before taking", "after taking"])
async def test_an_accept_cut_short_is_completed_by_the_worker(world: ApplicationHarness, step: str) -> None:
    student, listing = world.student(), world.listing()
    offered = await world.offered(student, listing.id)
    world.internships.interrupt = step
    assert await reason_of(world.accept(student, offered.id)) == "UNAVAILABLE"
    assert await is_pending(world, offered.id)
    world.internships.interrupt = ""
    await carried_through(world, offered.id)
    assert await state_of(world, offered.id) is ApplicationState.HIRED
    assert list(world.internships.taken[listing.id]) == [offered.id]


async def test_an_accept_cut_short_before_its_last_step_is_completed_by_the_worker(
    world: ApplicationHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    student, listing = world.student(), world.listing()
    offered = await world.offered(student, listing.id)

    async def crash(_started: object) -> pb.Application:
        raise ConnectionAbortedError("the process died here")

    with monkeypatch.context() as patch:
        patch.setattr(world.acceptances, "_complete_acceptance", crash)
        with pytest.raises(ConnectionAbortedError):
            await world.accept(student, offered.id, key("accept"))
    await carried_through(world, offered.id)
    assert await state_of(world, offered.id) is ApplicationState.HIRED
    again = await world.accept(student, offered.id, key("accept", replay=True))
    assert again.status == pb.STUDENT_STATUS_HIRED


async def test_an_accept_cut_short_is_undone_by_the_worker_when_no_opening_is_left(
    world: ApplicationHarness,
) -> None:
    student, listing = world.student(), world.listing()
    offered = await world.offered(student, listing.id)
    world.internships.interrupt = "before taking"
    await reason_of(world.accept(student, offered.id))
    world.internships.interrupt = ""
    listing.openings = 0
    await carried_through(world, offered.id)
    assert await state_of(world, offered.id) is ApplicationState.OFFERED
    assert not await is_pending(world, offered.id)


async def test_a_repeated_accept_goes_on_where_the_first_stopped(world: ApplicationHarness) -> None:
    student, listing = world.student(), world.listing()
    offered = await world.offered(student, listing.id)
    world.internships.interrupt = "after taking"
    await reason_of(world.accept(student, offered.id, key("accept")))
    world.internships.interrupt = ""
    hired = await world.accept(student, offered.id, key("accept", replay=True))
    assert hired.status == pb.STUDENT_STATUS_HIRED


async def test_nobody_slips_in_while_an_accept_is_pending(world: ApplicationHarness) -> None:
    student, listing = world.student(), world.listing()
    offered = await world.offered(student, listing.id)
    world.internships.interrupt = "after taking"
    await reason_of(world.accept(student, offered.id))
    assert await reason_of(world.move(world.member(), offered.id, "REJECTED")) == "UNEXPECTED_STATE"
    world.clock.advance(POLICY.offer_lifetime)
    await world.settling.settle_due()
    assert await state_of(world, offered.id) is ApplicationState.OFFERED
    world.internships.interrupt = ""
    world.clock.advance(POLICY.offer_lifetime)
    await world.settling.settle_due()
    assert await state_of(world, offered.id) is ApplicationState.HIRED


async def test_unhire_and_renege_report_that_an_opening_is_free(world: ApplicationHarness) -> None:
    student, listing = world.student(), world.listing()
    offered = await world.offered(student, listing.id)
    await world.accept(student, offered.id)
    await world.move(world.member("OWNER"), offered.id, "OFFERED")
    await world.accept(student, offered.id)
    request = pb.WithdrawApplicationRequest(application_id=offered.id)
    await world.call(student, world.servicer.WithdrawApplication, request)
    moves = [
        event for event in await world.events_of(offered.id) if isinstance(event, events.ApplicationMoved)
    ]
    freed = [move for move in moves if getattr(move, "from") == pb.APPLICATION_STATE_HIRED]
    assert [move.to for move in freed] == [pb.APPLICATION_STATE_OFFERED, pb.APPLICATION_STATE_WITHDRAWN]
    taken_at = world.internships.taken[listing.id][offered.id]
    assert freed[0].application.version < taken_at < freed[1].application.version


async def test_an_accept_with_a_stale_etag_takes_nothing(world: ApplicationHarness) -> None:
    student, listing = world.student(), world.listing()
    offered = await world.offered(student, listing.id)
    request = pb.AcceptOfferRequest(application_id=offered.id, etag="v99")
    with pytest.raises(DomainError) as refusal:
        await world.call(student, world.servicer.AcceptOffer, request)
    assert refusal.value.reason == "STALE_ETAG"
    assert not world.internships.taken.get(listing.id)

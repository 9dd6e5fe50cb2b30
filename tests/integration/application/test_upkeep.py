"""What time and archived listings bring, by one worker or by two."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from internshipconnect.application.v1 import application_pb2 as pb
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.internship.v1 import internship_pb2 as internship
from services.application.domain.model import ApplicationState, ClosedReason
from services.application.service import end_with_listing
from tests.integration.application.harness import POLICY, ApplicationHarness, reason_of, state_value


async def stored(
    world: ApplicationHarness, application_id: str
) -> tuple[ApplicationState, ClosedReason | None]:
    application = await world.store.get(application_id)
    assert application is not None
    return application.state, application.closed_reason


async def two_workers(world: ApplicationHarness) -> None:
    await asyncio.gather(world.settling.settle_due(), world.settling.settle_due())


async def archive(world: ApplicationHarness, listing: internship.Internship) -> None:
    await becomes(world, listing, "ARCHIVED")


async def becomes(
    world: ApplicationHarness, listing: internship.Internship, state: str, *, at: int = 0, was: str = "OPEN"
) -> None:
    """Return the event that a listing is in another state, as its version `at`."""
    published = internship.Internship()
    published.CopyFrom(listing)
    published.version = at or listing.version
    event = events.InternshipStateChanged(
        internship=published,
        to=internship.InternshipState.Value(f"INTERNSHIP_STATE_{state}"),
    )
    setattr(event, "from", internship.InternshipState.Value(f"INTERNSHIP_STATE_{was}"))
    await world.handlers.internship_state_changed(event, None)  # type: ignore[arg-type]


async def test_an_expired_offer_is_closed_once_by_two_workers(world: ApplicationHarness) -> None:
    offered = await world.offered(world.student(), world.listing().id)
    world.clock.advance(POLICY.offer_lifetime)
    await two_workers(world)
    assert await stored(world, offered.id) == (ApplicationState.CLOSED, ClosedReason.OFFER_EXPIRED)
    closings = [event for event in await world.events_of(offered.id) if getattr(event, "closed_reason", 0)]
    assert len(closings) == 1


async def test_a_rejection_is_disclosed_once_when_its_delay_is_over(world: ApplicationHarness) -> None:
    submitted = await world.submit(world.student(), world.listing().id)
    await world.move(world.member(), submitted.id, "REJECTED")
    await two_workers(world)
    assert len(await world.events_of(submitted.id)) == 2
    world.clock.advance(POLICY.rejection_delay)
    await two_workers(world)
    await two_workers(world)
    published = [
        event for event in await world.events_of(submitted.id) if isinstance(event, events.RejectionDisclosed)
    ]
    assert len(published) == 1


async def test_an_unanswered_application_is_closed_after_promise_and_grace(world: ApplicationHarness) -> None:
    submitted = await world.submit(world.student(), world.listing(respond_within_days=10).id)
    world.clock.advance(timedelta(days=10) + POLICY.response_grace - timedelta(seconds=1))
    await world.settling.settle_due()
    assert (await stored(world, submitted.id))[0] is ApplicationState.SUBMITTED
    world.clock.advance(timedelta(seconds=1))
    await two_workers(world)
    assert await stored(world, submitted.id) == (ApplicationState.CLOSED, ClosedReason.NO_RESPONSE)


@pytest.mark.parametrize("state", ["ASSESSMENT", "INTERVIEW"])
async def test_each_answer_begins_the_promise_again_and_without_another_the_application_is_closed(
    world: ApplicationHarness, state: str
) -> None:
    listing = world.listing(respond_within_days=10)
    submitted = await world.submit(world.student(), listing.id)
    await world.move(world.member(), submitted.id, "IN_REVIEW")
    world.clock.advance(timedelta(days=9))
    await world.move(world.member(), submitted.id, state)
    await becomes(world, listing, "EXPIRED", at=9)
    world.clock.advance(timedelta(days=10) + POLICY.response_grace - timedelta(seconds=1))
    await world.settling.settle_due()
    assert (await stored(world, submitted.id))[0] is ApplicationState(state)
    world.clock.advance(timedelta(seconds=1))
    await two_workers(world)
    assert await stored(world, submitted.id) == (ApplicationState.CLOSED, ClosedReason.NO_RESPONSE)


@pytest.mark.parametrize("state", ["SHORTLISTED", "WAITLISTED"])
async def test_what_the_student_does_not_learn_is_no_answer_and_the_first_promise_runs_on(
    world: ApplicationHarness, state: str
) -> None:
    submitted = await world.submit(world.student(), world.listing(respond_within_days=10).id)
    await world.move(world.member(), submitted.id, "IN_REVIEW")
    world.clock.advance(timedelta(days=9))
    await world.move(world.member(), submitted.id, state)
    world.clock.advance(timedelta(days=1) + POLICY.response_grace)
    await two_workers(world)
    assert await stored(world, submitted.id) == (ApplicationState.CLOSED, ClosedReason.NO_RESPONSE)


async def test_an_archived_listing_ends_what_is_under_way_and_nothing_else(world: ApplicationHarness) -> None:
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
        assert await stored(world, application.id) == (ApplicationState.CLOSED, ClosedReason.LISTING_ARCHIVED)
    assert (await stored(world, hired.id))[0] is ApplicationState.HIRED
    assert (await stored(world, elsewhere.id))[0] is ApplicationState.SUBMITTED


async def test_an_application_that_reaches_the_view_after_the_archiving_is_ended_too(
    world: ApplicationHarness,
) -> None:
    listing = world.listing()
    late = await world.submit(world.student(), listing.id)
    await archive(world, listing)
    await world.deliver()
    assert await stored(world, late.id) == (ApplicationState.CLOSED, ClosedReason.LISTING_ARCHIVED)


async def test_an_archiving_waits_for_a_pending_accept(world: ApplicationHarness) -> None:
    student, listing = world.student(), world.listing()
    offered = await world.offered(student, listing.id)
    world.internships.interrupt = "after taking"
    await reason_of(world.accept(student, offered.id))
    world.internships.interrupt = ""
    world.delivered = await all_of_kind(world, "AcceptanceStarted")
    await world.deliver()
    other = await world.submit(world.student(), listing.id)
    await world.deliver()
    await archive(world, listing)
    assert (await stored(world, offered.id))[0] is ApplicationState.OFFERED
    assert await stored(world, other.id) == (ApplicationState.CLOSED, ClosedReason.LISTING_ARCHIVED)
    assert (await world.accept(student, offered.id)).status == pb.STUDENT_STATUS_HIRED
    await world.ending.resume_endings()
    assert (await stored(world, offered.id))[0] is ApplicationState.HIRED
    assert listing.id not in await world.applicant_store.list_pending_endings(1000)


@pytest.mark.parametrize(
    ("state", "was", "reason"),
    [
        ("FILLED", "OPEN", ClosedReason.LISTING_FILLED),
        ("CLOSED", "PAUSED", ClosedReason.LISTING_ENDED),
        ("ARCHIVED", "EXPIRED", ClosedReason.LISTING_ARCHIVED),
        ("ARCHIVED", "SUSPENDED", ClosedReason.COMPANY_SUSPENDED),
    ],
)
async def test_live_applications_end_with_their_listing_with_one_reason_each(
    world: ApplicationHarness, state: str, was: str, reason: ClosedReason
) -> None:
    listing = world.listing(openings=3)
    waiting = await world.submit(world.student(), listing.id)
    shortlisted = await world.submit(world.student(), listing.id)
    await world.move(world.member(), shortlisted.id, "SHORTLISTED")
    rejected = await world.submit(world.student(), listing.id)
    await world.move(world.member(), rejected.id, "REJECTED")
    await world.deliver()
    for _ in range(2):
        await becomes(world, listing, state, at=9, was=was)
    for application in (waiting, shortlisted):
        assert await stored(world, application.id) == (ApplicationState.CLOSED, reason)
        published: list[Any] = [
            each for each in await world.events_of(application.id) if getattr(each, "closed_reason", 0)
        ]
        assert [each.closed_reason for each in published] == [
            pb.ClosedReason.Value(f"CLOSED_REASON_{reason}")
        ]
    assert (await stored(world, rejected.id))[0] is ApplicationState.REJECTED


@pytest.mark.parametrize("state", ["EXPIRED", "PAUSED", "SUSPENDED"])
async def test_what_stops_the_intake_only_ends_nothing_and_the_promise_to_answer_runs_on(
    world: ApplicationHarness, state: str
) -> None:
    listing = world.listing(respond_within_days=10)
    waiting = await world.submit(world.student(), listing.id)
    await world.deliver()
    await becomes(world, listing, state, at=9)
    assert (await stored(world, waiting.id))[0] is ApplicationState.SUBMITTED
    world.clock.advance(timedelta(days=10) + POLICY.response_grace)
    await world.settling.settle_due()
    assert await stored(world, waiting.id) == (ApplicationState.CLOSED, ClosedReason.NO_RESPONSE)


async def test_a_listing_that_is_open_again_ends_nobody_however_late_the_news_of_its_end_comes(
    world: ApplicationHarness,
) -> None:
    listing = world.listing(openings=3)
    waiting = await world.submit(world.student(), listing.id)
    await world.deliver()
    await becomes(world, listing, "OPEN", at=10, was="FILLED")
    await becomes(world, listing, "FILLED", at=9)
    assert (await stored(world, waiting.id))[0] is ApplicationState.SUBMITTED


async def test_who_applies_after_the_reopening_is_not_ended_by_the_ending_before_it(
    world: ApplicationHarness,
) -> None:
    listing = world.listing(openings=3)
    await becomes(world, listing, "FILLED", at=9)
    listing.version = 10
    later = await world.submit(world.student(), listing.id)
    await world.deliver()
    assert (await stored(world, later.id))[0] is ApplicationState.SUBMITTED


async def test_whom_a_person_reopens_after_the_ending_is_left_alone_by_its_repeats(
    world: ApplicationHarness,
) -> None:
    listing = world.listing(openings=3)
    waiting = await world.submit(world.student(), listing.id)
    await world.deliver()
    await becomes(world, listing, "CLOSED", at=9)
    await world.move(world.member(), waiting.id, "SUBMITTED", expected_state=state_value("CLOSED"))
    await world.deliver()
    await becomes(world, listing, "CLOSED", at=9)
    assert (await stored(world, waiting.id))[0] is ApplicationState.SUBMITTED
    await becomes(world, listing, "ARCHIVED", at=11, was="CLOSED")
    assert await stored(world, waiting.id) == (ApplicationState.CLOSED, ClosedReason.LISTING_ARCHIVED)


async def test_hundreds_of_applicants_end_in_batches_of_which_one_may_be_cut_short(
    world: ApplicationHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(end_with_listing, "BATCH_SIZE", 5)
    monkeypatch.setattr(end_with_listing, "MAX_BATCHES", 2)
    listing = world.listing(openings=3)
    waiting = [await world.submit(world.student(), listing.id) for _ in range(23)]
    await world.deliver()
    await becomes(world, listing, "CLOSED", at=9)
    ended = [each.id for each in waiting if (await stored(world, each.id))[0] is ApplicationState.CLOSED]
    assert len(ended) == 10
    for _ in range(4):
        await world.deliver()
        await asyncio.gather(world.ending.resume_endings(), world.ending.resume_endings())
    for each in waiting:
        assert await stored(world, each.id) == (ApplicationState.CLOSED, ClosedReason.LISTING_ENDED)
        moves = [one for one in await world.events_of(each.id) if isinstance(one, events.ApplicationMoved)]
        assert len(moves) == 1
    assert listing.id not in await world.applicant_store.list_pending_endings(1000)


async def all_of_kind(world: ApplicationHarness, kind: str) -> set[str]:
    rows = [row for shard in world.shards.all_shards() for row in await shard.db["outbox"].find().to_list()]
    found = [events.Event.FromString(row["event"]) for row in rows]
    return {event.id for event in found if event.data.type_url.endswith(kind)}

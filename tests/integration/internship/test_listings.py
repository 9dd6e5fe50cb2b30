"""Listings on real shards: who may do and read what, and which events follow."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from chassis.call_context import acting_as
from chassis.errors import DomainError
from chassis.ids import new_id
from chassis.redis.unique_readers import SubjectDay
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.internship.v1 import internship_pb2 as pb
from services.internship.domain.model import ListingLocation
from tests.databases import read_outbox
from tests.integration.internship.harness import (
    CONTEXT,
    NOW,
    SERVICE,
    STUDENT,
    InternshipHarness,
    acting_with_key,
    incoming,
)


def refused(reason: str) -> pytest.RaisesExc[DomainError]:
    return pytest.RaisesExc(DomainError, check=lambda error: error.reason == reason)


async def test_events_of_a_published_listing_come_in_order(world: InternshipHarness) -> None:
    opened = await world.published(world.companies.add("Acme"))
    assert opened.state == pb.INTERNSHIP_STATE_OPEN
    assert (opened.version, opened.hires, opened.open_for_applications) == (2, 0, True)
    created = await read_outbox(world.shards, events.InternshipCreated, opened.id)
    moved = await read_outbox(world.shards, events.InternshipStateChanged, opened.id)
    assert [event.internship.version for event in created] == [1]
    assert [(getattr(event, "from"), event.to) for event in moved] == [
        (pb.INTERNSHIP_STATE_DRAFT, pb.INTERNSHIP_STATE_OPEN)
    ]
    assert not await read_outbox(world.shards, events.InternshipUpdated, opened.id)


async def test_a_draft_is_there_for_its_company_and_services_only(world: InternshipHarness) -> None:
    owner, other = world.companies.add("Acme"), world.companies.add("Other")
    draft = await world.draft(owner)
    assert (await world.get(owner, draft.id)).id == draft.id
    assert (await world.get(SERVICE, draft.id)).id == draft.id
    for outsider in (None, STUDENT, other):
        with refused("INTERNSHIP_NOT_FOUND"):
            await world.get(outsider, draft.id)


async def test_intakes_are_of_the_listings_that_exist_as_they_are_now(world: InternshipHarness) -> None:
    owner, other = world.companies.add("Acme"), world.companies.add("Other")
    draft, opened = await world.draft(owner), await world.published(other)
    request = pb.BatchGetIntakesRequest(internship_ids=[draft.id, opened.id, new_id("int")])
    with acting_as(SERVICE):
        answer = await world.api.BatchGetIntakes(request, CONTEXT)
    intakes = {intake.internship_id: intake for intake in answer.intakes}
    assert set(intakes) == {draft.id, opened.id}
    assert not answer.unavailable_ids
    assert intakes[draft.id].state == pb.INTERNSHIP_STATE_DRAFT
    assert not intakes[draft.id].open_for_applications
    of_opened = intakes[opened.id]
    assert of_opened.open_for_applications
    assert (of_opened.title, of_opened.company, of_opened.version) == (
        opened.title,
        opened.company,
        opened.version,
    )
    assert list(of_opened.questions) == list(opened.questions)
    assert of_opened.apply_deadline == opened.apply_deadline


async def test_what_was_hidden_is_public_at_once_when_published(world: InternshipHarness) -> None:
    owner = world.companies.add("Acme")
    draft = await world.draft(owner)
    with refused("INTERNSHIP_NOT_FOUND"):
        await world.get(None, draft.id)
    with acting_as(owner):
        await world.api.PublishInternship(pb.PublishInternshipRequest(internship_id=draft.id), CONTEXT)
    assert (await world.get(None, draft.id)).state == pb.INTERNSHIP_STATE_OPEN


async def test_the_public_answer_is_fresh_after_a_change(world: InternshipHarness) -> None:
    owner = world.companies.add("Acme")
    opened = await world.published(owner)
    assert (await world.get(None, opened.id)).title == "Python Engineering Intern"
    update = pb.UpdateInternshipRequest(
        internship_id=opened.id, internship=pb.Internship(title="Rust Intern")
    )
    with acting_as(owner):
        await world.api.UpdateInternship(update, CONTEXT)
    assert (await world.get(None, opened.id)).title == "Rust Intern"
    changed = await read_outbox(world.shards, events.InternshipUpdated, opened.id)
    assert [event.internship.title for event in changed] == ["Rust Intern"]


async def test_an_update_changes_what_the_mask_names(world: InternshipHarness) -> None:
    owner = world.companies.add("Acme")
    draft = await world.draft(owner)
    update = pb.UpdateInternshipRequest(
        internship_id=draft.id,
        internship=pb.Internship(title="ignored", compensation=pb.Compensation(max_minor=2_500_00)),
        update_mask=FieldMask(paths=["compensation.max_minor", "skills"]),
    )
    with acting_as(owner):
        changed = await world.api.UpdateInternship(update, CONTEXT)
    assert changed.title == draft.title
    assert (changed.compensation.min_minor, changed.compensation.max_minor) == (2_000_00, 2_500_00)
    assert not changed.skills


async def test_a_stale_etag_is_refused_and_a_fresh_one_taken(world: InternshipHarness) -> None:
    owner = world.companies.add("Acme")
    draft = await world.draft(owner)
    with acting_as(owner):
        request = pb.UpdateInternshipRequest(
            internship_id=draft.id, internship=pb.Internship(title="New", etag=draft.etag)
        )
        changed = await world.api.UpdateInternship(request, CONTEXT)
        assert changed.etag != draft.etag
        with refused("STALE_ETAG"):
            await world.api.PublishInternship(
                pb.PublishInternshipRequest(internship_id=draft.id, etag=draft.etag), CONTEXT
            )


async def test_another_companys_listing_cannot_be_changed(world: InternshipHarness) -> None:
    opened = await world.published(world.companies.add("Acme"))
    with acting_as(world.companies.add("Other")), refused("INTERNSHIP_NOT_FOUND"):
        await world.api.CloseInternship(pb.CloseInternshipRequest(internship_id=opened.id), CONTEXT)


async def test_violations_name_the_field_as_it_stands_in_the_request(world: InternshipHarness) -> None:
    owner = world.companies.add("Acme")
    with refused("INVALID_FIELD") as wrong:
        await world.draft(owner, apply_open_time=NOW + timedelta(days=99))
    assert [each.field for each in wrong.value.violations] == ["applyDeadline"]
    draft = await world.draft(owner, title="")
    with acting_as(owner), refused("INTERNSHIP_INCOMPLETE") as lacking:
        await world.api.PublishInternship(pb.PublishInternshipRequest(internship_id=draft.id), CONTEXT)
    assert [each.field for each in lacking.value.violations] == ["title"]


async def test_a_company_that_is_not_known_yet_is_asked_to_try_again(world: InternshipHarness) -> None:
    owner = replace(world.companies.add("Acme"), org="cmp_01JD0000000000000000000000")
    with refused("UNAVAILABLE") as later:
        await world.draft(owner)
    assert later.value.retry_after_s


async def test_a_suspended_company_may_neither_post_nor_publish(world: InternshipHarness) -> None:
    owner = world.companies.add("Acme")
    draft = await world.draft(owner)
    world.companies.suspend(owner.org)
    with refused("COMPANY_SUSPENDED"):
        await world.draft(owner)
    with acting_as(owner), refused("COMPANY_SUSPENDED"):
        await world.api.PublishInternship(pb.PublishInternshipRequest(internship_id=draft.id), CONTEXT)


async def test_a_create_that_is_run_again_gives_the_first_listing(world: InternshipHarness) -> None:
    owner = world.companies.add("Acme")
    request = pb.CreateInternshipRequest(internship=pb.Internship(title="Once"))
    with acting_with_key(owner, "create-once"):
        first = await world.api.CreateInternship(request, CONTEXT)
    with acting_with_key(owner, "create-once", replay=True):
        again = await world.api.CreateInternship(request, CONTEXT)
    assert again == first
    assert len(await read_outbox(world.shards, events.InternshipCreated, first.id)) == 1


async def test_a_publish_that_is_run_again_gives_the_open_listing(world: InternshipHarness) -> None:
    owner = world.companies.add("Acme")
    request = pb.PublishInternshipRequest(internship_id=(await world.draft(owner)).id)
    with acting_with_key(owner, "publish-once"):
        first = await world.api.PublishInternship(request, CONTEXT)
    with acting_with_key(owner, "publish-once", replay=True):
        assert await world.api.PublishInternship(request, CONTEXT) == first


async def test_a_company_lists_its_listings_newest_first_in_any_state(world: InternshipHarness) -> None:
    owner = world.companies.add("Acme")
    made = []
    for number in range(5):
        made.append((await world.draft(owner, title=f"No {number}")).id)
        world.clock.advance(timedelta(milliseconds=1))
    with acting_as(owner):
        await world.api.PublishInternship(pb.PublishInternshipRequest(internship_id=made[2]), CONTEXT)
        first = await world.api.ListMyInternships(pb.ListMyInternshipsRequest(page_size=3), CONTEXT)
        rest = await world.api.ListMyInternships(
            pb.ListMyInternshipsRequest(page_size=3, page_token=first.next_page_token), CONTEXT
        )
        open_ones = await world.api.ListMyInternships(
            pb.ListMyInternshipsRequest(states=[pb.INTERNSHIP_STATE_OPEN]), CONTEXT
        )
    assert [row.id for row in (*first.data, *rest.data)] == made[::-1]
    assert not rest.next_page_token
    assert [row.id for row in open_ones.data] == [made[2]]


async def test_the_sweep_ends_what_is_overdue_and_nothing_else(world: InternshipHarness) -> None:
    owner = world.companies.add("Acme")
    soon = await world.published(owner, apply_deadline=world.clock.now() + timedelta(hours=1))
    late = await world.published(owner, apply_deadline=world.clock.now() + timedelta(hours=3))
    paused = await world.published(owner, apply_deadline=world.clock.now() + timedelta(hours=1))
    with acting_as(owner):
        await world.api.PauseInternship(pb.PauseInternshipRequest(internship_id=paused.id), CONTEXT)
    world.clock.advance(timedelta(hours=2))
    await world.expiry.expire_due()
    found = [(await world.get(owner, each.id)).state for each in (soon, late, paused)]
    assert found == [
        pb.INTERNSHIP_STATE_EXPIRED,
        pb.INTERNSHIP_STATE_OPEN,
        pb.INTERNSHIP_STATE_EXPIRED,
    ]


async def test_listings_follow_their_companys_name(world: InternshipHarness) -> None:
    owner = world.companies.add("Acme")
    opened, draft = await world.published(owner), await world.draft(owner)
    world.companies.rename(owner.org, "Acme Robotics")
    for _ in range(2):
        await world.handlers.company_updated(
            events.CompanyUpdated(company_id=owner.org, name="outdated"), incoming(owner.org, "q")
        )
    found = [await world.get(owner, each.id) for each in (opened, draft)]
    assert [each.company.name for each in found] == ["Acme Robotics"] * 2
    assert [each.version for each in found] == [opened.version + 1, draft.version + 1]


async def test_views_by_others_are_counted_and_reported_once(world: InternshipHarness) -> None:
    owner, other = world.companies.add("Acme"), world.companies.add("Other")
    opened = await world.published(owner)
    for reader in (None, STUDENT, other, owner, SERVICE, None, STUDENT):
        await world.get(reader, opened.id)
    await asyncio.gather(world.views.flush(), world.views.flush())
    await told_views(world)
    seen = await read_outbox(world.shards, events.InternshipViewed, opened.id)
    assert [(event.views, event.company_id) for event in seen] == [(3, owner.org)]


async def test_repeated_views_of_a_reader_count_once_a_day(world: InternshipHarness) -> None:
    opened = await world.published(world.companies.add("Acme"))
    for days in (0, 0, 1):
        world.clock.advance(timedelta(days=days))
        for _ in range(3):
            await world.get(STUDENT, opened.id)
            await world.views.flush()
        await told_views(world)
    seen = await read_outbox(world.shards, events.InternshipViewed, opened.id)
    assert [event.views for event in seen] == [1, 1]


async def test_hundreds_of_readers_are_counted_within_two_percent(world: InternshipHarness) -> None:
    opened = await world.published(world.companies.add("Acme"))
    for _ in range(400):
        await world.get(replace(STUDENT, id=new_id("usr")), opened.id)
    await world.views.flush()
    await told_views(world)
    seen = await read_outbox(world.shards, events.InternshipViewed, opened.id)
    assert sum(event.views for event in seen) == pytest.approx(400, rel=0.02)


async def test_a_worker_that_reports_again_reports_new_views_only(world: InternshipHarness) -> None:
    opened = await world.published(world.companies.add("Acme"))
    await world.get(STUDENT, opened.id)
    await world.views.flush()
    await told_views(world)
    reading = SubjectDay(opened.id, world.clock.now().date().isoformat())
    await world.publisher.readers.requeue_changed([reading])
    await told_views(world)
    seen = await read_outbox(world.shards, events.InternshipViewed, opened.id)
    assert [event.views for event in seen] == [1]


async def told_views(world: InternshipHarness) -> None:
    """Run the worker's job; the running stack's own worker may have taken some of it, and gives it back."""
    await world.publisher.publish_counts()


async def test_a_listing_saved_by_its_citys_name_is_found_by_distance(world: InternshipHarness) -> None:
    owner = world.companies.add("Acme")
    opened = await world.published(
        owner, title="Pangolin Keeper", locations=(ListingLocation(city="Lodz", country="PL"),)
    )
    assert round(opened.locations[0].lat) == 52
    await world.index()
    near = {"near_lat": 51.77, "near_lng": 19.46, "radius_km": 10}
    assert [hit.id for hit in (await world.search(q="pangolin", **near)).data] == [opened.id]


async def test_a_city_that_nobody_knows_is_named_before_the_listing_is_published(
    world: InternshipHarness,
) -> None:
    owner = world.companies.add("Acme")
    draft = await world.draft(owner, locations=(ListingLocation(city="Xyzzyville", country="PL"),))
    with acting_as(owner), refused("INTERNSHIP_INCOMPLETE") as wanting:
        await world.api.PublishInternship(pb.PublishInternshipRequest(internship_id=draft.id), CONTEXT)
    assert [each.field for each in wanting.value.violations] == ["locations[0]"]
    assert "Xyzzyville" in wanting.value.violations[0].description
